package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
)

// maxBody bounds a request's body, in bytes.
const maxBody = 64 << 10

const want = `send one JSON object like {"port": 10022}`

// body reads exactly one JSON object with known fields of the right types into the struct that v points to
// (API-013). encoding/json alone takes names in any case, and the last of two values.
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
	if err := checkNames(text, fields(v)); err != nil {
		return err
	}
	err = json.Unmarshal(text, v)
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return badRequest(e.Field, "%s must be %s, not a JSON %s", e.Field, kind(e.Type), e.Value)
	}
	return err
}

// checkNames refuses fields of a valid JSON object that are not known, or there twice.
func checkNames(object []byte, known []string) error {
	d := json.NewDecoder(bytes.NewReader(object))
	_, err := d.Token() // {
	var seen []string
	for err == nil && d.More() {
		var token json.Token
		if token, err = d.Token(); err != nil {
			break
		}
		name := token.(string) // what an object's names are
		switch {
		case !slices.Contains(known, name):
			return badRequest(name, "there is no field %q; there are %s", name, strings.Join(known, ", "))
		case slices.Contains(seen, name):
			return badRequest(name, "%s is there twice; give it once", name)
		}
		seen = append(seen, name)
		err = d.Decode(new(json.RawMessage))
	}
	return err
}

// kind names the JSON type that a Go type is read from.
func kind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	}
	return "a JSON object"
}

// fields lists the JSON names of the fields of the struct that v points to.
func fields(v any) []string {
	var names []string
	t := reflect.TypeOf(v).Elem()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}
