package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

const folder = "../../vectors"

// The committed vectors are what this generator makes, no more and no fewer.
func TestVectorsAreCurrent(t *testing.T) {
	want, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	have, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range have {
		name := filepath.Base(path)
		if _, ok := want[name]; !ok && name != "schema.json" {
			t.Errorf("%s is not generated; run go generate ./spec", name)
		}
	}
	for name, content := range want {
		got, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s is stale (%v); run go generate ./spec", name, err)
		}
	}
}

// The builder is checked against octets written by hand, since the codec is checked against the builder.
func TestBuilder(t *testing.T) {
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"addressed", addressed(0x01020304, 0x0506, "hi").octets.Bytes(), "\x01\x01\x00\x00\x00\x09\x01\x02\x03\x04\x05\x06\x02hi"},
		{"short", short(1, 80).octets.Bytes(), "\x01\x01\x00\x00\x00\x06\x00\x00\x00\x01\x00\x50"},
		{"response", response(1, 7).octets.Bytes(), "\x01\x02\x00\x00\x00\x05\x00\x00\x00\x01\x07"},
		{"data", data(1, str("x")).octets.Bytes(), "\x01\x03\x00\x00\x00\x05\x00\x00\x00\x01x"},
		{"closing", closing(1).octets.Bytes(), "\x01\x04\x00\x00\x00\x04\x00\x00\x00\x01"},
		{"keepAlive", keepAlive().octets.Bytes(), "\x01\x05\x00\x00\x00\x00"},
		{"raw, a lie", raw(2, 0x80, 1<<32-1, "00").Bytes(), "\x02\x80\xff\xff\xff\xff\x00"},
	} {
		if string(c.got) != c.want {
			t.Errorf("%s = %x; want %x", c.name, c.got, c.want)
		}
	}
}
