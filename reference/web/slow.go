package web

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

// errSlowBody is the end of a body that came too slowly.
var errSlowBody = errors.New("web: the body of the request came too slowly")

// patience is how long a visitor may take for the next bytes, in either direction.
const patience = time.Minute

// slowBody is a request's body, each piece of which has to come in time.
type slowBody struct {
	io.ReadCloser
	control *http.ResponseController
}

// newSlowBody begins the time for what comes first, which net/http waits for even if nobody reads it.
func newSlowBody(w http.ResponseWriter, body io.ReadCloser) *slowBody {
	b := &slowBody{body, http.NewResponseController(w)}
	b.more()
	return b
}

func (b *slowBody) more() {
	_ = b.control.SetReadDeadline(time.Now().Add(patience)) // fails only on a connection that is gone, as the read does
}

func (b *slowBody) Read(p []byte) (int, error) {
	b.more()
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF { // the answer may take its time
		_ = b.control.SetReadDeadline(time.Time{})
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = errSlowBody
	}
	return n, err
}

// slowWriter is an answer, each piece of which has to be taken in time.
type slowWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

func newSlowWriter(w http.ResponseWriter) *slowWriter {
	return &slowWriter{w, http.NewResponseController(w)}
}

func (w *slowWriter) WriteHeader(status int) {
	_ = w.control.SetWriteDeadline(time.Now().Add(patience))
	w.ResponseWriter.WriteHeader(status)
}

func (w *slowWriter) Write(p []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(patience))
	return w.ResponseWriter.Write(p)
}

// Unwrap is for those who flush, or take the connection over.
func (w *slowWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
