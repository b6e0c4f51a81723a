package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// read sets fields from a YAML or JSON file. It walks the syntax tree itself: the library's decoder converts types in
// silence, ignores keys without a value, and forgets on which line it was.
func (k *checker) read(name string, fields []field) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("flag --config: %w; name a YAML or JSON file that can be read", err)
	}
	k.name = name
	if strings.HasSuffix(name, ".json") {
		if err := checkJSON(text); err != nil {
			return fmt.Errorf("%s:%w", name, err)
		}
		text = bytes.ReplaceAll(text, []byte("\t"), []byte(" ")) // in strings JSON has none, and YAML none elsewhere
	}
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey()) // section refuses them by name
	if e, ok := errors.AsType[yaml.Error](err); ok && e.GetToken() != nil {
		return fmt.Errorf("%s:%d: this is not YAML: %s", name, e.GetToken().Position.Line, e.GetMessage())
	}
	if err != nil {
		return fmt.Errorf("%s: this is not YAML: %w", name, err)
	}
	documents := 0
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if documents++; documents > 1 {
			k.failAt(line(doc.Body), "", "a second document begins here; put all keys into one")
			break
		}
		k.section(doc.Body, "", fields)
	}
	return errors.Join(k.errs...)
}

// checkJSON refuses what YAML alone allows. What is JSON is YAML too.
func checkJSON(text []byte) error {
	err := json.Unmarshal(text, new(json.RawMessage))
	if e, ok := errors.AsType[*json.SyntaxError](err); ok { // it returns no other
		return fmt.Errorf("%d: this is not JSON: %w; a file whose name ends with .json has to be", 1+bytes.Count(text[:max(0, e.Offset-1)], []byte("\n")), e)
	}
	return nil
}

// section reads the keys below prefix, which is empty or ends with a dot.
func (k *checker) section(n ast.Node, prefix string, fields []field) {
	pairs, ok := pairsOf(n)
	if _, null := n.(*ast.NullNode); !ok && !null { // null: a section whose keys are all commented out
		k.failAt(line(n), strings.TrimSuffix(prefix, "."), "%s where keys are expected; write NAME: VALUE here, with a NAME of %s", kind(n), names(prefix, fields))
	}
	for _, pair := range pairs {
		name, ok := pair.Key.(*ast.StringNode)
		if !ok {
			k.failAt(line(pair.Key), "", "%s is not a key; there are %s", pair.Key, names(prefix, fields))
			continue
		}
		key, at := prefix+name.Value, line(name)
		if before, twice := k.lines[key]; twice {
			k.failAt(at, key, "already defined on line %d; remove one", before)
			continue
		}
		k.lines[key] = at
		switch i := slices.IndexFunc(fields, func(f field) bool { return f.key == key }); {
		case i >= 0:
			if err := fields[i].read(pair.Value); err != nil {
				k.failAt(at, key, "%v", err)
			}
		case slices.ContainsFunc(fields, func(f field) bool { return strings.HasPrefix(f.key, key+".") }):
			k.section(pair.Value, key+".", fields)
		default:
			k.failAt(at, key, "unknown field %q; there are %s", name.Value, names(prefix, fields))
		}
	}
}

// pairsOf lists the keys and values of a section, and reports whether n is one.
func pairsOf(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

// object is a section as a JSON object, with whatever keys it has in their order.
func object(pairs []*ast.MappingValueNode) (string, error) {
	var all []string
	for _, pair := range pairs {
		name, ok := pair.Key.(*ast.StringNode)
		if !ok {
			return "", fmt.Errorf("%s is not a key", pair.Key)
		}
		value, err := inJSON(pair.Value)
		if err != nil {
			return "", fmt.Errorf("%s: %w", name.Value, err)
		}
		all = append(all, quote(name.Value)+":"+value)
	}
	return "{" + strings.Join(all, ",") + "}", nil
}

// inJSON is a value of an object as JSON. A number in another notation than that of whole decimal ones is a text, which is
// refused where a number is wanted.
func inJSON(n ast.Node) (string, error) {
	if pairs, ok := pairsOf(n); ok {
		return object(pairs)
	}
	text := n.GetToken().Value
	switch n := n.(type) {
	case *ast.SequenceNode:
		var all []string
		for _, n := range n.Values {
			element, err := inJSON(n)
			if err != nil {
				return "", err
			}
			all = append(all, element)
		}
		return "[" + strings.Join(all, ",") + "]", nil
	case *ast.NullNode:
		return "", errors.New("has no value; give one, or remove the key")
	case *ast.BoolNode:
		return strconv.FormatBool(n.Value), nil
	case *ast.IntegerNode:
		if v, err := strconv.Atoi(text); err == nil && strconv.Itoa(v) == text {
			return text, nil
		}
		return quote(text), nil
	case *ast.StringNode:
		return quote(n.Value), nil
	}
	return "", fmt.Errorf("%s %q where text, a whole number, true, false or a list is expected", kind(n), text)
}

func quote(text string) string {
	b, _ := json.Marshal(text) // which cannot fail for a string
	return string(b)
}

// read sets the field to what the file gives for it.
func (f field) read(n ast.Node) error {
	if !f.isList() {
		return f.scalar(n)
	}
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		return fmt.Errorf("%s where a list is expected; write [a, b], or each element on a line of its own after a dash", kind(n))
	}
	f.value.Set(reflect.MakeSlice(f.value.Type(), 0, len(list.Values)))
	for _, n := range list.Values {
		element := field{key: f.key, value: reflect.New(f.value.Type().Elem()).Elem()}
		pairs, isObject := pairsOf(n)
		if _, may := f.tag.Lookup("object"); !may || !isObject {
			if err := element.scalar(n); err != nil {
				return err
			}
		} else if text, err := object(pairs); err != nil {
			return err
		} else {
			element.value.SetString(text)
		}
		f.value.Set(reflect.Append(f.value, element.value))
	}
	return nil
}

// scalar sets a field that is no list. The file's type has to be the field's.
func (f field) scalar(n ast.Node) error {
	if _, null := n.(*ast.NullNode); null {
		return errors.New("has no value; give one, or remove the key")
	}
	text := n.GetToken().Value
	switch f.value.Interface().(type) {
	case bool:
		if _, ok := n.(*ast.BoolNode); !ok {
			return fmt.Errorf("%s %q where true or false is expected", kind(n), text)
		}
	case int, *int:
		if _, text := n.(*ast.StringNode); text && f.isSize() {
			break // 1MiB
		}
		// Other notations of numbers mean different things to different YAML libraries.
		v, err := strconv.Atoi(text)
		if _, ok := n.(*ast.IntegerNode); !ok || err != nil || strconv.Itoa(v) != text {
			return fmt.Errorf("%s %q where a whole number is expected; write decimal digits without quotes", kind(n), text)
		}
	default:
		if _, ok := n.(*ast.StringNode); !ok {
			if f.isDuration() {
				return fmt.Errorf("%s %q is not a duration like 500ms or 10s", kind(n), text)
			}
			return fmt.Errorf("%s %q where text is expected; put it into quotes", kind(n), text)
		}
	}
	return f.set(text)
}

// kind names what stands in the file for a person who has never heard of nodes.
func kind(n ast.Node) string {
	switch n.(type) {
	case *ast.StringNode:
		return "text"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "number"
	case *ast.BoolNode:
		return "boolean"
	case *ast.NullNode:
		return "nothing"
	case *ast.SequenceNode:
		return "list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "section"
	}
	return "anchor, alias, tag or block text, which is not supported,"
}

// names lists the keys and sections directly below prefix.
func names(prefix string, fields []field) string {
	var all []string
	for _, f := range fields {
		if rest, ok := strings.CutPrefix(f.key, prefix); ok {
			name, _, _ := strings.Cut(rest, ".")
			if !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return strings.Join(all, ", ")
}

func line(n ast.Node) int { return n.GetToken().Position.Line }
