// Uploads argv[2] bytes (0: without an end) to argv[1] over cleartext HTTP/2, or os.Args[3], and says which answer came.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

type zeros struct{ left int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := len(p)
	if z.left > 0 {
		n = int(min(int64(n), z.left))
		z.left -= int64(n)
	}
	return n, nil
}

func main() {
	size, err := strconv.ParseInt(os.Args[2], 10, 64)
	if err != nil {
		panic(err)
	}
	body := &zeros{size}
	if size == 0 {
		body.left = -1
	}
	protocols := new(http.Protocols)
	if len(os.Args) > 3 && os.Args[3] == "h1" {
		protocols.SetHTTP1(true)
	} else {
		protocols.SetUnencryptedHTTP2(true)
	}
	client := &http.Client{Transport: &http.Transport{Protocols: protocols}, Timeout: 20 * time.Second}
	request, err := http.NewRequest("POST", os.Args[1], io.NopCloser(body))
	if err != nil {
		panic(err)
	}
	if size > 0 {
		request.ContentLength = size
	}
	answer, err := client.Do(request)
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	fmt.Println(answer.StatusCode, len(text))
}
