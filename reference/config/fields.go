package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// A field is one key of a configuration: a leaf of its struct.
type field struct {
	key   string // dotted, like tunnel.listen_port
	help  string
	value reflect.Value
}

// fieldsOf lists the keys of the struct that cfg points to, in its order.
func fieldsOf(cfg any) []field {
	var all []field
	var walk func(v reflect.Value, prefix string)
	walk = func(v reflect.Value, prefix string) {
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name, opt, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			switch {
			case name == "-" || !f.IsExported():
			case opt == "inline":
				walk(v.Field(i), prefix)
			case f.Type.Kind() == reflect.Struct:
				walk(v.Field(i), prefix+name+".")
			default:
				all = append(all, field{prefix + name, f.Tag.Get("help"), v.Field(i)})
			}
		}
	}
	walk(reflect.ValueOf(cfg).Elem(), "")
	return all
}

// set reads text into the field. Lists are separated by commas.
func (f field) set(text string) error {
	switch p := f.value.Addr().Interface().(type) {
	case *string:
		*p = text
	case *bool:
		v, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is not true or false", text)
		}
		*p = v
	case *int:
		return setInt(p, text)
	case **int:
		*p = new(int)
		return setInt(*p, text)
	case *time.Duration:
		v, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is not a duration like 500ms or 10s", text)
		}
		*p = v
	case *[]string:
		*p = split(text)
	case *[]int:
		*p = nil
		for _, part := range split(text) {
			var n int
			if err := setInt(&n, part); err != nil {
				return err
			}
			*p = append(*p, n)
		}
	default:
		panic(fmt.Sprintf("config: internal error: %s has type %s", f.key, f.value.Type()))
	}
	return nil
}

func setInt(p *int, text string) error {
	v, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("%q is not a whole number", text)
	}
	*p = v
	return nil
}

func split(text string) []string {
	var parts []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// text is the field's value as a flag would give it.
func (f field) text() string {
	switch v := f.value.Interface().(type) {
	case *int:
		if v == nil {
			return ""
		}
		return strconv.Itoa(*v)
	case []string:
		return strings.Join(v, ",")
	case []int:
		return strings.Trim(strings.ReplaceAll(fmt.Sprint(v), " ", ","), "[]")
	default:
		return fmt.Sprint(v)
	}
}

func (f field) isDuration() bool { return f.value.Type() == reflect.TypeFor[time.Duration]() }

func (f field) isList() bool { return f.value.Kind() == reflect.Slice }

// zero is a fresh value of the field's type, to try a text on.
func (f field) zero() reflect.Value { return reflect.New(f.value.Type()).Elem() }
