package main

import (
	"os/exec"
	"strings"
	"testing"
)

const help = `thing does it, and says so.

  thing NAME                makes one: it is \ not
                            .kept anywhere
  thing --all

What it takes:
  --flag-of.it false  a "meaning"
  -h, --help          this text
'quoted'
`

func TestPage(t *testing.T) {
	got := page("a-thing", "does it", "thing 1", help)
	want := `.TH A-THING 1 "" "thing 1"
.SH NAME
a-thing \- does it
.SH DESCRIPTION
thing does it, and says so.
.PP
.TP
\fBthing NAME\fR
makes one: it is \e not
\&.kept anywhere
.TP
\fBthing \-\-all\fR
.PP
.SH WHAT IT TAKES
.TP
\fB\-\-flag\-of.it false\fR
a "meaning"
.TP
\fB\-h, \-\-help\fR
this text
\&'quoted'
`
	if got != want {
		t.Errorf("the page is\n%s\nwant\n%s", got, want)
	}
}

// groff, where it is installed, reads the page without a warning, and shows every word of the text.
func TestGroff(t *testing.T) {
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("not run: groff is not installed")
	}
	cmd := exec.Command(groff, "-man", "-Tascii", "-P-c", "-ww")
	cmd.Stdin = strings.NewReader(page("a-thing", "does it", "thing 1", help))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("groff: %v\n%s", err, out)
	}
	if text := string(out); strings.Contains(text, "warning") {
		t.Errorf("groff says\n%s", text)
	}
	shown := strings.Join(strings.Fields(strings.NewReplacer("_\b", "", "\b", "").Replace(string(out))), " ")
	for _, word := range []string{`it is \ not .kept anywhere`, `a "meaning"`, "'quoted'"} {
		if !strings.Contains(shown, word) {
			t.Errorf("the page shows\n%s\nwithout %s", out, word)
		}
	}
}
