package config

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/reference/mapping"
)

// WriteServerSchema writes the JSON Schema of adit-server's file: what an editor needs to complete and check it. What one key
// says of another no schema knows; --check does.
func WriteServerSchema(out io.Writer) error {
	return writeSchema(out, "configuration of adit-server", new(Server))
}

// WriteClientSchema writes that of adit-client's.
func WriteClientSchema(out io.Writer) error {
	return writeSchema(out, "configuration of adit-client", new(Client))
}

// node is a part of a schema.
type node map[string]any

func writeSchema(out io.Writer, title string, cfg any) error {
	root := emptyObject()
	for _, f := range fieldsOf(cfg) {
		f.setDefault()
		at := root
		path := strings.Split(f.key, ".")
		for _, section := range path[:len(path)-1] {
			keys := at["properties"].(node)
			if keys[section] == nil {
				keys[section] = emptyObject()
				keys[section].(node)["type"] = []string{"object", "null"} // a section whose keys are all commented out
			}
			at = keys[section].(node)
		}
		at["properties"].(node)[path[len(path)-1]] = f.schema()
	}
	root["$schema"], root["title"] = "https://json-schema.org/draft/2020-12/schema", title
	root["type"] = []string{"object", "null"}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(root); err != nil {
		return err
	}
	_, err := out.Write(text.Bytes())
	return err
}

// emptyObject is the schema of an object without keys.
func emptyObject() node {
	return node{"type": "object", "additionalProperties": false, "properties": node{}}
}

const (
	durationPattern = `^[-+]?(0|([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$`
	sizePattern     = `^\+?[0-9]+ *([KMG]iB)?$`
)

// schema is what the file may say of a field.
func (f field) schema() node {
	s := schemaOf(f.value.Type())
	if f.isSize() {
		s = size()
	}
	if _, ok := f.tag.Lookup("object"); ok {
		s["items"] = node{"anyOf": []node{s["items"].(node), schemaOf(reflect.TypeFor[mapping.Request]())}}
	}
	if list, ok := f.tag.Lookup("oneof"); ok {
		s["enum"] = strings.Fields(list)
	}
	f.bound(s)
	s["description"] = f.tag.Get("help")
	if f.value.Kind() == reflect.Pointer || f.isList() {
		return s // they have none
	}
	switch v := f.value.Interface().(type) {
	case time.Duration:
		s["default"] = v.String()
	default:
		s["default"] = v
	}
	return s
}

// bound puts the bounds of numbers where a schema can have them.
func (f field) bound(s node) {
	_, limit := f.tag.Lookup("limit")
	if _, own := f.tag.Lookup("range"); !own && !limit || f.isDuration() {
		return
	}
	at := s
	switch {
	case f.isList():
		at = s["items"].(node)
	case f.isSize():
		at = s["anyOf"].([]node)[0]
	}
	at["minimum"], at["maximum"] = f.bounds()
}

// size is a number of bytes, with or without a unit.
func size() node {
	return node{"anyOf": []node{{"type": "integer"}, {"type": "string", "pattern": sizePattern}}}
}

// schemaOf is the schema of a type's values, in the file and in the objects that stand there.
func schemaOf(t reflect.Type) node {
	switch t {
	case reflect.TypeFor[time.Duration](), reflect.TypeFor[mapping.Duration]():
		return node{"type": "string", "pattern": durationPattern}
	case reflect.TypeFor[mapping.Rate]():
		return size()
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem())
	case reflect.Bool:
		return node{"type": "boolean"}
	case reflect.String:
		return node{"type": "string"}
	case reflect.Int, reflect.Int64:
		return node{"type": "integer"}
	case reflect.Slice:
		return node{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Struct:
		s := emptyObject()
		properties(t, s["properties"].(node))
		return s
	}
	panic("config: internal error: no schema for " + t.String())
}

// properties adds the fields of a struct, those of embedded ones in their place, by their names in JSON.
func properties(t reflect.Type, to node) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			properties(f.Type, to)
		case name != "-":
			to[name] = schemaOf(f.Type)
		}
	}
}
