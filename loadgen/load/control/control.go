// Package control is how the leader of a run talks to its other processes:
// requests and answers are JSON over HTTP, POST /NAME, with a bearer token
// where the listener is not on loopback.
package control

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// A Mux answers requests by name.
type Mux struct{ mux *http.ServeMux }

// NewMux is a Mux without names.
func NewMux() *Mux { return &Mux{http.NewServeMux()} }

// maxBody is the most bytes of a request.
const maxBody = 64 << 20

// A Request is one that a process answers: its name, what is asked with it and
// what comes back. Both ends use the same value, so they agree.
type Request[In, Out any] string

// Answer answers the requests of r. An error of answer reaches the caller as text.
func (r Request[In, Out]) Answer(m *Mux, answer func(context.Context, In) (Out, error)) {
	m.mux.HandleFunc("POST /"+string(r), func(w http.ResponseWriter, req *http.Request) {
		var in In
		dec := json.NewDecoder(http.MaxBytesReader(w, req.Body, maxBody))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&in); err != nil {
			http.Error(w, "request: "+err.Error(), http.StatusBadRequest)
			return
		}
		out, err := answer(req.Context(), in)
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out) // the caller sees that it is cut short
	})
}

// A Server serves a Mux until Close.
type Server struct {
	http *http.Server
	done chan error
}

// Serve serves m on l; requests must carry token, unless it is empty. One
// goroutine accepts, and each connection has one; Close ends them.
func Serve(l net.Listener, m *Mux, token string) *Server {
	want := []byte("Bearer " + token)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token != "" && subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1 {
			http.Error(w, "wrong token", http.StatusUnauthorized)
			return
		}
		m.mux.ServeHTTP(w, r)
	})
	s := &Server{&http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}, make(chan error, 1)}
	go func() { s.done <- s.http.Serve(l) }()
	return s
}

// Close ends the listener and all connections, and waits for the goroutine that accepts.
func (s *Server) Close() error {
	err := s.http.Close()
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// A Client asks one process. Any goroutine may use it.
type Client struct {
	who, addr, token string
	http             *http.Client
}

// NewClient asks the process at addr; who names it in errors.
func NewClient(who, addr, token string) *Client {
	return &Client{who, addr, token, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2}}}
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Token reads the token that requests must carry. Without a file the listener
// must be on loopback: whoever reaches it can make it send.
func Token(file, flag, listen string) (string, error) {
	if file == "" {
		if !IsLoopback(listen) {
			return "", fmt.Errorf("%s %s: is not on loopback: give --token-file, a file with a secret that the leader has, too", flag, listen)
		}
		return "", nil
	}
	b, err := os.ReadFile(file)
	token := strings.TrimSpace(string(b))
	switch {
	case err != nil:
		return "", fmt.Errorf("--token-file: %w", err)
	case len(token) < 16:
		return "", fmt.Errorf("--token-file %s: holds %d characters, must be 16 or more", file, len(token))
	}
	return token, nil
}

// IsLoopback reports whether an address is written as one that no other machine reaches.
func IsLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}

// None is a request or an answer without content.
type None struct{}

// Ask sends a request and waits for its answer.
func (r Request[In, Out]) Ask(ctx context.Context, c *Client, in In) (out Out, err error) {
	if err := c.ask(ctx, string(r), in, &out); err != nil {
		return out, fmt.Errorf("%s: %s: %w", c.who, string(r), err)
	}
	return out, nil
}

func (c *Client) ask(ctx context.Context, name string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.addr+"/"+name, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10))
		return fmt.Errorf("%s: %s", res.Status, strings.TrimSpace(string(text)))
	}
	return json.NewDecoder(res.Body).Decode(out)
}
