package subject

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Near is those of some words that are spelt most like a word; none where less than half of it would stay.
func Near(word string, of []string) []string {
	far := map[string]int{}
	for _, n := range of {
		far[n] = levenshtein.ComputeDistance(strings.ToLower(word), strings.ToLower(n))
	}
	near := slices.Clone(of)
	slices.SortStableFunc(near, func(a, b string) int { return cmp.Compare(far[a], far[b]) })
	return slices.DeleteFunc(near, func(n string) bool { return far[n] > far[near[0]] || far[n] > len(n)/2 })
}

// OneOf says of a word that is none of those which there can be what to write instead.
func OneOf(word string, of []string) string {
	return fmt.Sprintf("%q must be one of %s", word, strings.Join(of, ", ")) + meant(word, of)
}

// meant is a question at the end of an error.
func meant(word string, of []string) string {
	if near := Near(word, of); len(near) > 0 {
		return fmt.Sprintf("; did you mean %s?", near[0])
	}
	return ""
}

// keysAt are the keys that a type takes at a path, like timeline[0].to; none where it cannot be known.
func keysAt(t reflect.Type, path string) (keys []string) {
	for name := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '.' || r == '[' }) {
		t = below(t, name)
	}
	if t = plain(t); t == nil || t.Kind() != reflect.Struct {
		return nil
	}
	for f := range t.Fields() {
		if key, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); key != "" && key != "-" {
			keys = append(keys, key)
		}
	}
	return keys
}

// below is the type of a key, or of an element; nil when there is none.
func below(t reflect.Type, name string) reflect.Type {
	if t = plain(t); t == nil {
		return nil
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Map:
		return t.Elem()
	case reflect.Struct:
		for f := range t.Fields() {
			if key, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); key == name {
				return f.Type
			}
		}
	}
	return nil
}

// plain is the type that pointers lead to.
func plain(t reflect.Type) reflect.Type {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}
