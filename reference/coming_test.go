package reference

import (
	"bytes"
	"errors"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/reference/config"
)

// Every flag that COMING-FROM.md gives to a program is one that it has, and every row that it cites is there.
func TestWhatComingFromNamesIsThere(t *testing.T) {
	text, err := os.ReadFile("COMING-FROM.md")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	help := map[string]string{}
	for program, load := range map[string]func(out io.Writer) error{
		"server": func(out io.Writer) error { _, err := config.LoadServer([]string{"--help"}, out); return err },
		"keygen": func(out io.Writer) error { _, _, err := config.LoadKeygen([]string{"--help"}, out); return err },
		"client": func(out io.Writer) error {
			_, err := config.LoadClient([]string{"--help"}, out, func(string, []string) error { return nil })
			return err
		},
	} {
		var out bytes.Buffer
		if err := load(&out); !errors.Is(err, config.ErrHelp) {
			t.Fatal(err)
		}
		help[program] = out.String()
	}
	flags, named := regexp.MustCompile(`--[a-z][a-z_.]*[a-z]`), 0
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, "|"); len(cells) == 4 {
			line = cells[2] // the other column is of others
		}
		for part := range strings.FieldsFuncSeq(line, func(r rune) bool { return r == ';' || r == ',' }) {
			has := help["server"] + help["client"]
			for _, p := range [][2]string{{"keygen", "keygen"}, {"--ports", "keygen"}, {"server:", "server"}, {"client:", "client"}} {
				if strings.Contains(part, p[0]) {
					has = help[p[1]]
					break
				}
			}
			for _, flag := range flags.FindAllString(part, -1) {
				named++
				if !regexp.MustCompile(regexp.QuoteMeta(flag) + `[ =\n]`).MatchString(has) {
					t.Errorf("%s: there is no flag %s", strings.TrimSpace(part), flag)
				}
			}
		}
	}
	if named < 40 {
		t.Errorf("COMING-FROM.md names %d flags; want 40 at least", named)
	}
	for _, m := range regexp.MustCompile(`\(([A-F]\d+)\)`).FindAllStringSubmatch(string(text), -1) {
		if !regexp.MustCompile(`(?m)^\| ` + m[1] + ` \|.*not yet`).Match(rows) {
			t.Errorf("COMING-FROM.md says that %s is not there yet, and README.md does not", m[1])
		}
	}
}
