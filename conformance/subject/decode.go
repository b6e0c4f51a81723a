package subject

import (
	"errors"
	"fmt"
	"io"
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
	root *ast.File
}

// Decode reads one YAML document into v, a pointer to a struct. Unknown keys,
// keys given twice and values of the wrong type are refused with a *FileError.
func Decode(name string, data []byte, v any) (*Document, error) {
	root, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, fileError(name, nil, err)
	}
	if len(root.Docs) != 1 || root.Docs[0].Body == nil {
		return nil, &FileError{File: name, Problem: "must hold exactly one YAML document"}
	}
	switch err := yaml.NewDecoder(strings.NewReader(string(data)), yaml.Strict()).Decode(v); {
	case errors.Is(err, io.EOF):
		return nil, &FileError{File: name, Problem: "is empty"}
	case err != nil:
		return nil, fileError(name, root, err)
	}
	return &Document{name: name, root: root}, nil
}

// Errorf makes the error for a field, named by its path, like server.command or axes[0].
func (d *Document) Errorf(field, format string, args ...any) error {
	e := &FileError{File: d.name, Field: field, Problem: fmt.Sprintf(format, args...)}
	for at := field; at != "" && e.Line == 0; at = parent(at) { // an absent field stands where its parent does
		path, err := yaml.PathString("$." + at)
		if err != nil {
			break
		}
		if node, err := path.FilterFile(d.root); err == nil && node != nil {
			e.Line = node.GetToken().Position.Line
		}
	}
	return e
}

// NodeErrorf makes the error for a node of the file.
func (d *Document) NodeErrorf(node ast.Node, format string, args ...any) error {
	return d.NodeError(node, ValueErrorf(node, format, args...))
}

// NodeError makes the error for a node that was decoded apart.
func (d *Document) NodeError(node ast.Node, err error) error {
	out := fileError(d.name, d.root, err)
	if e, ok := errors.AsType[*FileError](out); ok && e.Line == 0 {
		e.Line, e.Field = node.GetToken().Position.Line, fieldAt(d.root, node.GetToken())
	}
	return out
}

// Has reports whether the file has a key at its top.
func (d *Document) Has(key string) bool {
	e, ok := errors.AsType[*FileError](d.Errorf(key, ""))
	return ok && e.Line > 0
}

func parent(field string) string {
	return field[:max(strings.LastIndexAny(field, ".["), 0)]
}

// fileError turns an error of the YAML library into ours.
func fileError(name string, root *ast.File, err error) error {
	e := &FileError{File: name, Problem: err.Error()}
	if v, ok := errors.AsType[*valueError](err); ok {
		e.Problem, e.Line, e.Field = v.problem, v.node.GetToken().Position.Line, fieldAt(root, v.node.GetToken())
		return e
	}
	y, ok := errors.AsType[yaml.Error](err)
	if !ok {
		return e
	}
	e.Problem = y.GetMessage()
	tk := y.GetToken()
	if tk == nil {
		return e
	}
	e.Line = tk.Position.Line
	switch err := y.(type) {
	case *yaml.UnknownFieldError:
		e.Problem = fmt.Sprintf("unknown key %q", tk.Value)
		e.Field = parent(fieldAt(root, tk))
	case *yaml.TypeError:
		e.Field = fieldAt(root, tk)
		e.Problem = fmt.Sprintf("%q must be %s", tk.Value, kindName(err.DstType))
	case *yaml.UnexpectedNodeTypeError:
		e.Field = fieldAt(root, tk)
		e.Problem = fmt.Sprintf("must be a %s, not a %s", strings.ToLower(err.Expected.YAMLName()), strings.ToLower(err.Actual.YAMLName()))
	}
	return e
}

// kindName says in words what a Go type takes.
func kindName(t reflect.Type) string {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == nil:
		return "another kind of value"
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
	default:
		return "a number"
	}
}

// fieldAt is the path of the node that tk begins.
func fieldAt(root *ast.File, tk *token.Token) string {
	f := &finder{at: tk.Position.Offset}
	if root != nil {
		for _, doc := range root.Docs {
			ast.Walk(f, doc.Body)
		}
	}
	return strings.ReplaceAll(strings.TrimPrefix(strings.TrimPrefix(f.path, "$"), "."), "'", "") // 'a.b' is one key
}

// A finder is a visitor that remembers the path of the innermost node at an offset.
type finder struct {
	at   int
	path string
}

func (f *finder) Visit(n ast.Node) ast.Visitor {
	if tk := n.GetToken(); tk != nil && tk.Position != nil && tk.Position.Offset == f.at && len(n.GetPath()) > len(f.path) {
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
