package keys

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/spec"
)

const (
	secret  = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
	another = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8"
)

// write makes a file that looks different from the one before.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	writes++
	when := time.Unix(1e9+int64(writes), 0)
	if err := os.Chtimes(path, when, when); err != nil {
		t.Fatal(err)
	}
}

var writes int

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	write(t, path, text)
	return path
}

func TestAFileOfKeys(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "",
		"# nothing\n\n":                 "",
		"adit1:home:" + secret:          "home",
		"adit1:home:" + secret + "\r\n": "home",
		"# at work\nadit1:b:" + another + "\n\n#adit1:c:" + secret + "\nadit1:a:" + secret + "\n": "b a",
	} {
		all, err := read(file(t, text))
		var ids []string
		for _, k := range all {
			ids = append(ids, k.ID)
		}
		if got := strings.Join(ids, " "); err != nil || got != want {
			t.Errorf("%q: keys %q, %v; want %q", text, got, err, want)
		}
	}
	k, err := Read(file(t, "adit1:home:"+secret+"\n"))
	if err != nil || k.ID != "home" || k.Secret[0] != 0 || k.Secret[31] != 31 {
		t.Errorf("Read = %s, %v; want home with 00 to 1f", k.ID, err)
	}
	for _, text := range []string{"", "adit1:a:" + secret + "\nadit1:b:" + secret + "\n"} {
		if _, err := Read(file(t, text)); err == nil || !strings.Contains(err.Error(), "a client has one") {
			t.Errorf("Read of %q = %v; want an error", text, err)
		}
	}
}

// A line that is wrong is named with its part, and what it says is not.
func TestBrokenLines(t *testing.T) {
	for line, want := range map[string]string{
		"home:" + secret:                        "a key has adit1: in front",
		"adit2:home:" + secret:                  "a key has adit1: in front",
		" adit1:home:" + secret:                 "a key has adit1: in front",
		"adit1:home:" + secret + ":x":           "two colons",
		"adit1:" + secret:                       "two colons",
		"adit1::" + secret:                      "the key ID has 0 characters",
		"adit1:ho me:" + secret:                 "character 3 of the key ID",
		"adit1:home:" + secret + " ":            "character 44 of the secret",
		"adit1:home:" + secret[1:]:              "the secret has 42 characters",
		"adit1:home:":                           "the secret has 0 characters",
		"adit1:home:" + secret[:42] + "9":       "the last character of the secret",
		"adit1:" + secret + ":home":             "the secret has 4 characters",
		"adit1:first:" + another:                "is that of line 2 too",
		"adit1:home:" + secret + "\x00":         "character 44 of the secret",
		"adit1:home:" + secret + "\n\nnonsense": "a key has adit1: in front",
	} {
		path := file(t, "# keys\nadit1:first:"+secret+"\n"+line+"\n")
		at := ":3: "
		if strings.HasSuffix(line, "nonsense") {
			at = ":5: "
		}
		_, err := read(path)
		if err == nil || !strings.HasPrefix(err.Error(), path+at) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want file, line and %q", line, err, want)
			continue
		}
		for _, part := range []string{secret, secret[1:], another, "nonsense"} {
			if strings.Contains(err.Error(), part) {
				t.Errorf("%q: the error has the secret: %v", line, err)
			}
		}
	}
}

func TestOnlyItsOwnerReadsAFile(t *testing.T) {
	for mode, want := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o620: false, 0o610: false, 0o604: false, 0o602: false, 0o644: false} {
		path := file(t, "adit1:home:"+secret+"\n")
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{"Open": second(Open(path)), "Read": second(Read(path)), "Add": second(Add(path, "new"))} {
			if what == "Add" && mode == 0o400 {
				continue // the owner may not write it, unless he is root
			}
			if (err == nil) != want || err != nil && !strings.Contains(err.Error(), "chmod 600 "+path) {
				t.Errorf("mode %04o, %s: %v; want it taken: %v", mode, what, err, want)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestAdd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "keys")
	home, err := Add(path, "home")
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, %v; want 0600", info.Mode(), err)
	}
	work, err := Add(path, "work")
	if err != nil || work.Secret == home.Secret {
		t.Errorf("Add = %v; want a key of its own", err)
	}
	ring, err := Open(path)
	if err != nil || ring.Len() != 2 || !ring.Has(home) || !ring.Has(work) {
		t.Errorf("Open = %v; want both keys", err)
	}
	// A file whose last line has no end.
	write(t, path, "adit1:old:"+secret)
	if _, err := Add(path, "new"); err != nil {
		t.Fatal(err)
	}
	if ring, err := Open(path); err != nil || ring.Len() != 2 {
		t.Errorf("Open = %v; want old and new", err)
	}
	before, _ := os.ReadFile(path)
	for id, want := range map[string]string{"old": "has a key old already", "": "is no name", "a b": "is no name", "a:b": "is no name", strings.Repeat("x", 65): "is no name"} {
		if _, err := Add(path, id); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Add(%q) = %v; want an error with %q", id, err, want)
		}
	}
	write(t, path, string(before)+"broken\n")
	if _, err := Add(path, "more"); err == nil || !strings.Contains(err.Error(), ":3: ") {
		t.Errorf("Add to a broken file = %v; want the line", err)
	}
}

func TestARingFollowsItsFile(t *testing.T) {
	path := file(t, "adit1:home:"+secret+"\nadit1:work:"+another+"\n")
	ring, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	home, work := key(t, "adit1:home:"+secret), key(t, "adit1:work:"+another)
	if got, ok := ring.Find("home"); !ok || got != home.Secret {
		t.Errorf("Find(home) = %v; want its secret", ok)
	}
	if got, ok := ring.Find("homer"); ok || got != (Key{}).Secret {
		t.Error("Find(homer) finds a key")
	}
	steps := []struct {
		what, text string
		changed    bool
		err        string
		home, work bool
	}{
		{"nothing new", "", false, "", true, true},
		{"one is removed", "adit1:work:" + another + "\n", true, "", false, true},
		{"one has another secret", "adit1:home:" + another + "\nadit1:work:" + another + "\n", true, "", false, true},
		{"both are back", "adit1:home:" + secret + "\nadit1:work:" + another + "\n", true, "", true, true},
		{"a line is broken", "adit1:home:" + secret + "\nadit1:work:" + another[1:] + "\n", false, path + ":2: ", true, true},
		{"and still is", "", false, "", true, true},
		{"it is repaired", "adit1:home:" + secret + "\n", true, "", true, false},
		{"all are removed", "#\n", true, "", false, false},
	}
	for _, s := range steps {
		if s.text != "" {
			write(t, path, s.text)
		}
		changed, err := ring.Refresh()
		if changed != s.changed || (err == nil) != (s.err == "") || err != nil && !strings.HasPrefix(err.Error(), s.err) {
			t.Errorf("%s: Refresh = %v, %v; want %v, %q", s.what, changed, err, s.changed, s.err)
		}
		if h, w := ring.Has(home), ring.Has(work); h != s.home || w != s.work {
			t.Errorf("%s: home %v, work %v; want %v, %v", s.what, h, w, s.home, s.work)
		}
	}
	write(t, path, "adit1:home:"+secret+"\n")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if changed, err := ring.Refresh(); changed || err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file that others may read: Refresh = %v, %v", changed, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if changed, err := ring.Refresh(); !changed || err != nil || !ring.Has(home) {
		t.Errorf("and no more: Refresh = %v, %v; want it read", changed, err)
	}
}

func key(t *testing.T, text string) Key {
	t.Helper()
	k, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestAFileThatMayNotBeReadSaysWhose(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("not run: root may read every file")
	}
	path := file(t, "adit1:home:"+secret+"\n")
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "run this program as that user") {
		t.Errorf("Open = %v; want the remedy", err)
	}
}

// twice is the one error that names a key ID, which may be long.
var twice = regexp.MustCompile(`: key ID \S+ is that of line \d+ too; `)

// FuzzFile: whatever a file holds, it is refused with its name, and the line where there is one, and never with a secret; or
// every key of it is one, and no two have an ID.
func FuzzFile(f *testing.F) {
	n := 0
	for v := range spec.AuthVectors("key") {
		n++
		f.Add(*v.Line)
		f.Add("# keys\r\n" + *v.Line + "\n\n" + *v.Line + "\n")
	}
	if n == 0 {
		f.Fatal("no vectors to start from")
	}
	f.Add("-----BEGIN PRIVATE KEY-----\n")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parse("FILE", text)
		if err != nil {
			if !regexp.MustCompile(`^FILE:[1-9]\d*: `).MatchString(err.Error()) {
				t.Errorf("%q: %v; want the file and the line", text, err)
			}
			for _, word := range regexp.MustCompile(`[A-Za-z0-9_-]{43,}`).FindAllString(text, -1) { // also in the place of an ID
				if strings.Contains(err.Error(), word) && !twice.MatchString(err.Error()) {
					t.Errorf("%q: the error has what may be a secret: %v", text, err)
				}
			}
			return
		}
		seen := map[string]bool{}
		for _, k := range all {
			if again, err := Parse(k.Line()); err != nil || again != k || seen[k.ID] {
				t.Errorf("%q: the key %s is written as what is %v, %v, or is there twice", text, k.ID, again, err)
			}
			seen[k.ID] = true
		}
	})
}

func TestRemove(t *testing.T) {
	path := file(t, "# home\nadit1:home:"+secret+"\n\nadit1:work:"+another+"\r\nadit1:last:"+secret)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := Remove(link, "work"); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(path)
	info, _ := os.Lstat(link)
	if want := "# home\nadit1:home:" + secret + "\n\nadit1:last:" + secret; string(text) != want || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the file has %q, the link is %v; want %q and a link", text, info.Mode(), want)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v; want 0600", info.Mode())
	}
	for id, want := range map[string]error{"work": ErrNoKey, "": ErrNoKey, "# home": ErrNoKey} {
		if err := Remove(path, id); !errors.Is(err, want) {
			t.Errorf("Remove(%q) = %v; want %v", id, err, want)
		}
	}
	for id, want := range map[string]error{"home": ErrTaken, "": ErrName} {
		if _, err := Add(path, id); !errors.Is(err, want) {
			t.Errorf("Add(%q) = %v; want %v", id, err, want)
		}
	}
	write(t, path, "adit1:home:"+secret+"\nbroken\n")
	if err := Remove(path, "home"); err == nil || !strings.Contains(err.Error(), ":2: ") {
		t.Errorf("Remove from a file with a mistake = %v; want the line", err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("files are left behind: %v", entries)
	}
}
