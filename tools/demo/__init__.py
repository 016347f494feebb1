"""`make demo`: a real proxy before the app server, proved from the outside by a real HTTP/2 client."""
