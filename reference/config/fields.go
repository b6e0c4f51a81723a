package config

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/reference/mapping"
	"github.com/adit-tunnel/adit/spec"
)

// A field is one key of a configuration: a leaf of its struct. Tags say the rest:
//
//	yaml     its name in the file
//	limit    the row of section 17 that has its default and bounds
//	default  its default, where no limit has one
//	range    what a number may be, "LEAST MOST"; - leaves one to the limit
//	oneof    the values that a text may have
//	env      - if the environment cannot set it
//	live     yes if it can change while the program runs
//	object   what an element of a list may be besides a text, in the file
//	help     a line for people
type field struct {
	key   string // dotted, like tunnel.listen_port
	tag   reflect.StructTag
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
			case name == "-":
			case opt == "inline":
				walk(v.Field(i), prefix)
			case f.Type.Kind() == reflect.Struct:
				walk(v.Field(i), prefix+name+".")
			default:
				all = append(all, field{prefix + name, f.Tag, v.Field(i)})
			}
		}
	}
	walk(reflect.ValueOf(cfg).Elem(), "")
	return all
}

// setDefault gives the field the value that it has without being told: none at all where no tag names one.
func (f field) setDefault() {
	if limit, ok := f.tag.Lookup("limit"); ok {
		f.value.SetInt(spec.LimitOf(limit).Default * f.unit())
	}
	if text, ok := f.tag.Lookup("default"); ok {
		if err := f.set(text); err != nil {
			panic(fmt.Sprintf("config: internal error: default of %s: %v", f.key, err))
		}
	}
}

// bounds are the least and the most that numbers of the field may be. Without tags they may be anything.
func (f field) bounds() (least, most int64) {
	least, most = math.MinInt64, math.MaxInt64
	if limit, ok := f.tag.Lookup("limit"); ok {
		l := spec.LimitOf(limit)
		if l.Allowed == "exactly" { // as far as others can measure it: not shorter, and longer by what an answer may take
			l.Max += spec.LimitOf("answer").Max
		}
		least, most = l.Min*f.unit(), l.Max*f.unit()
		if f.isDuration() {
			least = max(least, int64(time.Millisecond)) // a time of 0 is none
		}
	}
	if own, ok := f.tag.Lookup("range"); ok {
		low, high, _ := strings.Cut(own, " ")
		if low != "-" {
			least = f.number(low)
		}
		if high != "-" {
			most = f.number(high)
		}
	}
	return least, most
}

// unit is what section 17 counts the field in: seconds or bytes.
func (f field) unit() int64 {
	if f.isDuration() {
		return int64(time.Second)
	}
	return 1
}

// number reads one number of the field's type from a tag.
func (f field) number(text string) int64 {
	t := f.value.Type()
	if t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	probe := field{key: f.key, value: reflect.New(t).Elem()}
	if err := probe.set(text); err != nil {
		panic(fmt.Sprintf("config: internal error: range of %s: %v", f.key, err))
	}
	return probe.value.Int()
}

// numbers lists the numbers that the field holds.
func (f field) numbers() []int64 {
	v := f.value
	if v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	switch {
	case v.CanInt():
		return []int64{v.Int()}
	case f.isList() && v.Type().Elem().Kind() == reflect.Int:
		var all []int64
		for i := range v.Len() {
			all = append(all, v.Index(i).Int())
		}
		return all
	}
	return nil
}

// show is one number of the field for people.
func (f field) show(n int64) string {
	if f.isDuration() {
		return time.Duration(n).String()
	}
	if f.isSize() {
		return mapping.FormatSize(n)
	}
	return strconv.FormatInt(n, 10)
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
		if f.isSize() {
			return setSize(p, text)
		}
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

// setOutside reads a text that does not come from the file, where alone there are objects.
func (f field) setOutside(text string) error {
	if f.isList() && strings.HasPrefix(strings.TrimSpace(text), "{") {
		return errors.New("an object can only stand in the file")
	}
	return f.set(text)
}

func setInt(p *int, text string) error {
	v, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("%q is not a whole number", text)
	}
	*p = v
	return nil
}

// setSize reads bytes, with or without a unit.
func setSize(p *int, text string) error {
	v, err := mapping.ParseSize(text)
	*p = int(v)
	return err
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

// isSize reports whether the field is a size of section 17, in bytes.
func (f field) isSize() bool {
	_, ok := f.tag.Lookup("limit")
	return ok && f.value.Kind() == reflect.Int
}

func (f field) isList() bool { return f.value.Kind() == reflect.Slice }
