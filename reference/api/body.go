package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/adit-tunnel/adit/reference/mapping"
)

// maxBody bounds a request's body, in bytes.
const maxBody = 64 << 10

const want = `send one JSON object like {"port": 10022}`

// body reads exactly one JSON object with known fields of the right types into the struct that v points to
// (API-013).
func (h *handler) body(w http.ResponseWriter, r *http.Request, v any) error {
	for inner, ok := w.(interface{ Unwrap() http.ResponseWriter }); ok; inner, ok = w.(interface{ Unwrap() http.ResponseWriter }) {
		w = inner.Unwrap() // the server's own, which is told that the rest of a long body is not wanted
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if e, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &refusal{status: http.StatusRequestEntityTooLarge, message: fmt.Sprintf("the body is longer than %d bytes; %s", e.Limit, want)}
	}
	if err != nil {
		return badRequest("", "the body did not arrive: %v", err)
	}
	text = bytes.TrimSpace(text)
	switch {
	case len(text) == 0:
		return badRequest("", "the body is empty; %s", want)
	case !json.Valid(text):
		return badRequest("", "the body is not JSON: %v; %s", json.Unmarshal(text, new(any)), want)
	case text[0] != '{':
		return badRequest("", "the body is JSON but not an object; %s", want)
	}
	return mapping.Decode(text, v)
}
