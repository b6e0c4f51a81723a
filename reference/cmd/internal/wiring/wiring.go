// Package wiring is for tests of the commands: it sets every key of a configuration to a value of its own, and
// looks for it in the Config of the program.
package wiring

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// A Key of the file, a value for it, the field of the program's Config that it reaches (like Session.MaxQueue;
// "" for none), and how the value prints there. It is an alias so that a table may leave out the names.
type Key = struct {
	Name  string
	Value any
	Field string
	Want  string
}

// Check gives all keys to load, by a file in dir, by flags and by the environment. Load returns the configuration as it
// was read, and the program's Config that was made of it. The error says which key is not in keys or did not
// reach its field, and which field is reached by no key and is not in others.
func Check(dir string, keys []Key, others []string, load func(args ...string) (read, made any, err error)) error {
	file := filepath.Join(dir, "config.yaml")
	text, err := json.Marshal(tree(keys)) // which is YAML too
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return err
	}
	var flags []string
	for _, k := range keys {
		flags = append(flags, fmt.Sprintf("-%s=%s", k.Name, strings.Trim(fmt.Sprint(k.Value), "[]")))
	}
	byFile, byFlags := check(keys, others, load, "-config", file), check(keys, others, load, flags...)
	for _, k := range keys {
		name := "ADIT_" + strings.ToUpper(strings.ReplaceAll(k.Name, ".", "_"))
		if err := os.Setenv(name, strings.Trim(fmt.Sprint(k.Value), "[]")); err != nil {
			return err
		}
		defer os.Unsetenv(name)
	}
	return errors.Join(byFile, byFlags, check(keys, others, load))
}

func check(keys []Key, others []string, load func(args ...string) (read, made any, err error), args ...string) error {
	read, made, err := load(args...)
	if err != nil {
		return err
	}
	var errs []error
	fail := func(format string, values ...any) {
		errs = append(errs, fmt.Errorf("with %.20q…: "+format, append([]any{fmt.Sprint(args)}, values...)...))
	}
	names := leaves(reflect.ValueOf(read), func(f reflect.StructField) string {
		name, opt, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if opt == "inline" {
			return ""
		}
		return name
	})
	fields := leaves(reflect.ValueOf(made), func(f reflect.StructField) string { return f.Name })
	for _, name := range others {
		delete(fields, name)
	}
	reached, used := map[string]bool{}, map[string]string{}
	for _, k := range keys {
		if _, ok := names[k.Name]; !ok {
			fail("there is no key %s", k.Name)
		}
		delete(names, k.Name)
		if k.Field == "" {
			continue
		}
		reached[k.Field] = true
		if got, ok := fields[k.Field]; !ok || got != k.Want {
			fail("%s: field %s is %s; want %s", k.Name, k.Field, got, k.Want)
		}
		if twin, twice := used[k.Want]; twice && k.Want != "true" && k.Want != "false" {
			fail("%s and %s have the same value; want values of their own", k.Name, twin)
		}
		used[k.Want] = k.Name
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		fail("key %s is not looked for", name)
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !reached[name] {
			fail("field %s is reached by no key", name)
		}
	}
	return errors.Join(errs...)
}

// leaves prints the fields of a struct and of the structs in it, by their dotted names. Name gives one part of
// it: "-" for a field to leave out, "" for a struct whose fields stand in its place.
func leaves(v reflect.Value, name func(reflect.StructField) string) map[string]string {
	all := map[string]string{}
	for i := range v.NumField() {
		f, n := v.Type().Field(i), name(v.Type().Field(i))
		if n == "-" {
			continue
		}
		if f.Type.Kind() != reflect.Struct || f.Type.NumField() == 0 || !f.Type.Field(0).IsExported() {
			all[n] = fmt.Sprint(v.Field(i))
			continue
		}
		for below, value := range leaves(v.Field(i), name) {
			all[strings.TrimPrefix(n+"."+below, ".")] = value
		}
	}
	return all
}

// tree is the keys as sections.
func tree(keys []Key) map[string]any {
	root := map[string]any{}
	for _, k := range keys {
		at := root
		parts := strings.Split(k.Name, ".")
		for _, section := range parts[:len(parts)-1] {
			if at[section] == nil {
				at[section] = map[string]any{}
			}
			at = at[section].(map[string]any)
		}
		at[parts[len(parts)-1]] = k.Value
	}
	return root
}
