package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
)

// Decode reads a JSON object into the struct that v points to, one known field after the other. It refuses by an [Error]
// fields that are not known, are there twice or have the wrong type: encoding/json alone takes names in any case, and the
// last of two values.
func Decode(object []byte, v any) error {
	if !json.Valid(object) {
		return refuse(Invalid, "", "this is not JSON: %v", json.Unmarshal(object, new(any)))
	}
	d := json.NewDecoder(bytes.NewReader(object))
	if token, _ := d.Token(); token != json.Delim('{') {
		return refuse(Invalid, "", "this is JSON but not an object")
	}
	fields := fieldsOf(reflect.ValueOf(v).Elem())
	var seen []string
	for d.More() {
		token, _ := d.Token()
		name := token.(string) // what a valid object's names are
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
		switch {
		case i < 0:
			return refuse(Invalid, name, "is not a field; there are %s", list(fields))
		case slices.Contains(seen, name):
			return refuse(Invalid, name, "is there twice; give it once")
		}
		seen = append(seen, name)
		err := d.Decode(fields[i].value.Addr().Interface())
		if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return refuse(Invalid, name, "must be %s, not a JSON %s", kind(fields[i].value.Type()), e.Value)
		}
		if err != nil {
			return refuse(Invalid, name, "%v", err)
		}
	}
	return nil
}

// A field of a struct, and its name in JSON.
type field struct {
	name  string
	value reflect.Value
}

// fieldsOf lists the fields of a struct, those of embedded ones in their place.
func fieldsOf(v reflect.Value) []field {
	var all []field
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.Anonymous {
			all = append(all, fieldsOf(v.Field(i))...)
		} else {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			all = append(all, field{name, v.Field(i)})
		}
	}
	return all
}

func list(fields []field) string {
	var names []string
	for _, f := range fields {
		names = append(names, f.name)
	}
	return strings.Join(names, ", ")
}

// kind names the JSON type that a Go type is read from.
func kind(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[Duration]():
		return "a string like 90s or 10m"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.String:
		return "a string"
	case t.Kind() == reflect.Slice:
		return "a list of strings"
	}
	return "a whole number"
}
