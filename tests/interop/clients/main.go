// A client of the probe by Go's net/http: HTTP/2 (with prior knowledge over cleartext), or HTTP/1.1.
//
//	go run . h2|h1 http://127.0.0.1:PORT|https://NAME:PORT
//
// Prints one line of JSON: what it saw. Standard library only.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

type seen struct {
	Proto     string `json:"proto"`
	Parallel  int    `json:"parallel"`
	Digest    string `json:"digest"`
	Sent      string `json:"sent"`
	Chunked   int    `json:"chunked"`
	Streamed  int    `json:"streamed"`
	Trailer   string `json:"trailer"`
	Head      int64  `json:"head"`
	NoContent int    `json:"no_content"`
	Error     int    `json:"error"`
	Cut       bool   `json:"cut"`
	Cancelled bool   `json:"cancelled"`
	After     string `json:"after"`
}

var base string

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func read(answer *http.Response) []byte {
	defer answer.Body.Close()
	return must(io.ReadAll(answer.Body))
}

func parallel(client *http.Client) int {
	var group sync.WaitGroup
	var lock sync.Mutex
	right := 0
	for n := range 100 {
		group.Add(1)
		go func() {
			defer group.Done()
			id := fmt.Sprintf("go%d", n)
			body := read(must(client.Get(base + "/slow?ms=20&id=" + id)))
			lock.Lock()
			defer lock.Unlock()
			if string(body) == id {
				right++
			}
		}()
	}
	group.Wait()
	return right
}

// A reader of unknown length, so that the body is sent without one.
type unsized struct{ io.Reader }

func post(client *http.Client, path string, body io.Reader) []byte {
	return read(must(client.Post(base+path, "application/octet-stream", body)))
}

func trailer(client *http.Client) string {
	request := must(http.NewRequest("GET", base+"/trailers", nil))
	request.Header.Set("TE", "trailers")
	answer := must(client.Do(request))
	read(answer)
	return answer.Trailer.Get("X-Sum")
}

// cancel leaves in the middle of an answer without an end.
func cancel(client *http.Client) bool {
	ctx, leave := context.WithCancel(context.Background())
	request := must(http.NewRequestWithContext(ctx, "GET", base+"/drip?id=go", nil))
	answer := must(client.Do(request))
	must(io.ReadFull(answer.Body, make([]byte, 3)))
	leave()
	_, err := io.ReadAll(answer.Body)
	return err != nil
}

func main() {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(os.Args[1] == "h1")
	protocols.SetHTTP2(os.Args[1] == "h2")
	protocols.SetUnencryptedHTTP2(os.Args[1] == "h2")
	base = os.Args[2]
	client := &http.Client{Transport: &http.Transport{Protocols: protocols}, Timeout: 20 * time.Second}

	body := bytes.Repeat([]byte("0123456789abcdef"), 300_000)
	sum := sha256.Sum256(body)
	var digest struct {
		Sha256 string
		Size   int
	}
	result := seen{Sent: hex.EncodeToString(sum[:])}
	result.Proto = must(client.Get(base + "/hello")).Proto
	result.Parallel = parallel(client)
	must(0, json.Unmarshal(post(client, "/digest", bytes.NewReader(body)), &digest))
	result.Digest = digest.Sha256
	must(0, json.Unmarshal(post(client, "/digest", unsized{bytes.NewReader(body)}), &digest))
	result.Chunked = digest.Size
	result.Streamed = len(read(must(client.Get(base + "/stream?parts=50&size=65536"))))
	result.Trailer = trailer(client)
	result.Head = must(client.Head(base + "/hello")).ContentLength
	result.NoContent = must(client.Get(base + "/status?status=204")).StatusCode
	result.Error = must(client.Get(base + "/raise?when=start")).StatusCode
	if answer, err := client.Get(base + "/raise?when=middle&ms=50"); err != nil {
		result.Cut = true
	} else {
		_, err = io.ReadAll(answer.Body)
		result.Cut = err != nil
	}
	result.Cancelled = cancel(client)
	result.After = string(read(must(client.Get(base + "/hello"))))
	must(0, json.NewEncoder(os.Stdout).Encode(result))
}
