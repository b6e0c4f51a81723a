package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net"
	"net/http"
	"os"
	"strings"
)

// Error is why a visitor has no answer of a service, for the visitor to read.
type Error struct {
	Status int
	Reason string
	Conn   string // of the connection that failed, in the log; "": there was none
	Err    error  // may be nil
}

func (e *Error) Error() string { return e.Reason }

func (e *Error) Unwrap() error { return e.Err }

// errorOf is the answer to a request that failed on its way to the service.
func errorOf(err error) *Error {
	var e *Error
	var n net.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, errSlowBody):
		return &Error{Status: http.StatusRequestTimeout, Reason: "the request's body came too slowly", Err: err}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &n) && n.Timeout():
		return &Error{Status: http.StatusGatewayTimeout, Reason: "the service has not answered in time", Err: err}
	}
	return &Error{Status: http.StatusBadGateway, Reason: "the service gave no answer that HTTP knows", Err: err}
}

// answer writes an error: as a page for browsers, else as JSON.
func answer(w http.ResponseWriter, r *http.Request, e *Error) {
	h := w.Header()
	clear(h)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if e.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Basic realm="adit", charset="UTF-8"`)
	}
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		w.WriteHeader(e.Status)
		title := fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
		fmt.Fprintf(w, "<!doctype html><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>%s</title>"+
			"<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:15vh auto;padding:0 1em;color-scheme:light dark}</style>"+
			"<h1>%[1]s</h1><p>%s.</p><p><small>%s</small></p>\n", title, html.EscapeString(e.Reason), e.Conn)
		return
	}
	h.Set("Content-Type", "application/json")
	w.WriteHeader(e.Status)
	_ = json.NewEncoder(w).Encode(struct { // a visitor that is gone needs no answer
		Error string `json:"error"`
		Conn  string `json:"conn,omitempty"`
	}{e.Reason, e.Conn})
}
