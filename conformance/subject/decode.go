package subject

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// FileError says what is wrong in a YAML file, and where.
type FileError struct {
	File    string
	Line    int    // 0: unknown, or the whole file
	Field   string // like server.command; empty: the whole file
	Problem string // and what to do about it
}

func (e *FileError) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		b.WriteString(":" + strconv.Itoa(e.Line))
	}
	if e.Field != "" {
		b.WriteString(": " + e.Field)
	}
	return b.String() + ": " + e.Problem
}

// A Document is a decoded YAML file; it knows on which line a field stands.
type Document struct {
	name string
	into reflect.Type
	root *ast.File // nil: the file is not YAML
}

// Decode reads one YAML document into v, a pointer to a struct. Unknown keys,
// keys given twice and values of the wrong type are refused with a *FileError,
// and so is what an UnmarshalYAML refuses with ValueErrorf. It reads every YAML
// file of the suite and of the load generator: subjects, baselines, scenarios.
func Decode(name string, data []byte, v any) (*Document, error) {
	d := &Document{name: name, into: reflect.TypeOf(v)}
	root, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, d.fileError(err)
	}
	if len(root.Docs) != 1 || root.Docs[0].Body == nil {
		return nil, &FileError{File: name, Problem: "must hold exactly one YAML document"}
	}
	d.root = root
	if err := yaml.NodeToValue(root.Docs[0].Body, v, yaml.Strict()); err != nil {
		return nil, d.fileError(err)
	}
	return d, nil
}

// Errorf makes the error for a field, named by its path, like server.command or axes[0].
func (d *Document) Errorf(field, format string, args ...any) error {
	e := &FileError{File: d.name, Field: field, Problem: fmt.Sprintf(format, args...)}
	for at := field; at != "" && e.Line == 0; at = parent(at) { // an absent field stands where its parent does
		if path, err := yaml.PathString("$." + at); err == nil {
			if node, err := path.FilterFile(d.root); err == nil && node != nil {
				e.Line = node.GetToken().Position.Line
			}
		}
	}
	return e
}

// NodeErrorf makes the error for a node of the file.
func (d *Document) NodeErrorf(node ast.Node, format string, args ...any) error {
	return d.fileError(ValueErrorf(node, format, args...))
}

// NodeError makes the error for a node that was decoded apart.
func (d *Document) NodeError(node ast.Node, err error) error {
	e := d.fileError(err)
	if e.Line == 0 {
		e.Line, e.Field = node.GetToken().Position.Line, d.fieldAt(node.GetToken())
	}
	return e
}

// Has reports whether the file has a key at its top.
func (d *Document) Has(key string) bool {
	e, ok := errors.AsType[*FileError](d.Errorf(key, ""))
	return ok && e.Line > 0
}

func parent(field string) string {
	return field[:max(strings.LastIndexAny(field, ".["), 0)]
}

// fileError turns an error of the YAML library, or a *valueError, into ours.
func (d *Document) fileError(err error) *FileError {
	e := &FileError{File: d.name, Problem: err.Error()}
	var at *token.Token
	if v, ok := errors.AsType[*valueError](err); ok {
		e.Problem, at = v.problem, v.node.GetToken()
	} else if y, ok := errors.AsType[yaml.Error](err); ok {
		e.Problem, at = y.GetMessage(), y.GetToken()
	}
	if at == nil {
		return e
	}
	e.Line, e.Field = at.Position.Line, d.fieldAt(at)
	if _, ok := errors.AsType[*yaml.UnknownFieldError](err); ok {
		e.Field = parent(e.Field)
		e.Problem = fmt.Sprintf("unknown key %q", at.Value)
		if keys := keysAt(d.into, e.Field); len(keys) > 0 {
			e.Problem += "; there are " + strings.Join(keys, ", ") + meant(at.Value, keys)
		}
	}
	if t, ok := errors.AsType[*yaml.TypeError](err); ok {
		e.Problem = fmt.Sprintf("%q must be %s", at.Value, kindName(t.DstType))
	}
	if n, ok := errors.AsType[*yaml.UnexpectedNodeTypeError](err); ok {
		e.Problem = fmt.Sprintf("must be a %s, not a %s", strings.ToLower(n.Expected.YAMLName()), strings.ToLower(n.Actual.YAMLName()))
	}
	return e
}

// kindName says in words what a Go type takes.
func kindName(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "a group of keys"
	}
	return "a number"
}

// fieldAt is the path of the node that a token begins.
func (d *Document) fieldAt(at *token.Token) string {
	if d.root == nil {
		return ""
	}
	f := &finder{offset: at.Position.Offset}
	ast.Walk(f, d.root.Docs[0].Body)
	return strings.ReplaceAll(strings.TrimPrefix(strings.TrimPrefix(f.path, "$"), "."), "'", "") // 'a.b' is one key
}

// A finder is a visitor that remembers the path of the innermost node at an offset.
type finder struct {
	offset int
	path   string
}

// Visit implements ast.Visitor.
func (f *finder) Visit(n ast.Node) ast.Visitor {
	if at := n.GetToken(); at != nil && at.Position != nil && at.Position.Offset == f.offset && len(n.GetPath()) > len(f.path) {
		f.path = n.GetPath()
	}
	return f
}

// A valueError is what a type's UnmarshalYAML says about a node.
type valueError struct {
	node    ast.Node
	problem string
}

func (e *valueError) Error() string { return e.problem }

// ValueErrorf is the error of an UnmarshalYAML that refuses a node; Decode adds file, line and field.
func ValueErrorf(node ast.Node, format string, args ...any) error {
	return &valueError{node, fmt.Sprintf(format, args...)}
}

// A Duration is a time in a YAML file, like 500ms.
type Duration time.Duration

// UnmarshalYAML reads a time with its unit.
func (d *Duration) UnmarshalYAML(node ast.Node) error {
	v, err := time.ParseDuration(node.GetToken().Value)
	if err != nil {
		return ValueErrorf(node, "%q must be a time with unit, like 500ms or 10s", node.GetToken().Value)
	}
	*d = Duration(v)
	return nil
}

func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes the time as it is read.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}
