package cases

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/dialogue"
	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/spec"
)

func TestEveryTableIsWalked(t *testing.T) {
	text, err := os.ReadFile("../../spec/states.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]struct{ Profile string }
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	var walked []string
	for _, b := range tables {
		walked = append(walked, b.name)
	}
	slices.Sort(walked)
	if want := slices.Sorted(maps.Keys(all)); !slices.Equal(walked, want) {
		t.Errorf("the tables %q are walked; the text has %q", walked, want)
	}
}

// Every cell of the text's tables has a case made from it, a written case that its excuse names, or a reason.
func TestEveryCellIsShownOrExcused(t *testing.T) {
	have := map[string]bool{}
	for _, c := range All(Lookup) {
		have[c.ID+"/"+string(c.Role)], have[c.Name()] = true, true
	}
	written := regexp.MustCompile(`\b([A-Z]+-\d{3})(/[a-z0-9-]+)?`)
	type count struct{ cells, made, shown, excused int }
	counts, used := map[string]*count{}, map[string]bool{}
	all := 0
	eachCell(func(c cell) {
		n := counts[c.table.name]
		if n == nil {
			n = &count{}
			counts[c.table.name] = n
		}
		n.cells++
		name := c.table.name + " for a " + string(c.role) + ", " + c.event + " in " + c.State
		why, key, excused := excuses[c.profile()][c.event].of(c)
		used[c.profile()+"/"+c.event+"/"+key] = excused
		switch shown := written.FindAllStringSubmatch(why, -1); {
		case c.generated():
			n.made++
			all++
			if _, ok := Lookup(c.requirement()); !ok {
				t.Errorf("%s belongs to %q, which PROTOCOL.md does not have", name, c.requirement())
			}
			if c.shaken() {
				break
			}
			v := spec.Vector{
				Kind: "dialogue", Role: string(c.role), Requirements: []string{c.requirement()}, Steps: slices.Concat(c.reach(), c.happens()),
			}
			if err := dialogue.Check(v); err != nil {
				t.Errorf("%s: its dialogue cannot be played: %v", name, err)
			}
			for _, s := range c.happens() {
				if s.From == string(c.role) && s.Note == "" {
					t.Errorf("%s: what is %q for?", name, dialogue.Describe(s))
				}
			}
		case !excused:
			t.Errorf("%s (%s): neither a case nor an excuse", name, c.promise())
		case len(shown) == 0:
			n.excused++
			if len(why) < 15 {
				t.Errorf("%s: %q is no reason", name, why)
			}
		default:
			n.shown++
			for _, s := range shown {
				if !have[s[1]+"/"+string(c.role)+s[2]] {
					t.Errorf("%s is said to be shown by %s, which the role does not have", name, s[0])
				}
			}
		}
	})
	for profile, rows := range excuses {
		for event, row := range rows {
			for key := range row {
				if !used[profile+"/"+event+"/"+key] {
					t.Errorf("an excuse for %s in %q, which is no cell of %s, or one that another excuses", event, key, profile)
				}
			}
		}
	}
	if all < 100 {
		t.Errorf("only %d cells have a case of their own", all)
	}
	for _, b := range tables {
		n := counts[b.name]
		t.Logf("%-16s %3d cells: %d generated, %d shown by a written case, %d excused", b.name, n.cells, n.made, n.shown, n.excused)
	}
}

// Whatever requirement a cell of the Extended profile belongs to, its case needs a subject that speaks the profile.
func TestCellsOfTheProfileAreItsCases(t *testing.T) {
	n := 0
	for _, c := range All(Lookup) {
		if !strings.HasPrefix(c.Variant, "cell-") {
			continue
		}
		extended := strings.HasPrefix(c.Variant, "cell-ext-") || strings.HasPrefix(c.Variant, "cell-auth-")
		if extended {
			n++
		}
		if c.Extended() != extended {
			t.Errorf("%s: a case of the Extended profile: %t; want %t", c.Name(), c.Extended(), extended)
		}
	}
	if n < 30 {
		t.Errorf("only %d cells of the Extended profile have a case", n)
	}
}

// A row says of a cell what its most special key says.
func TestTheMostSpecialKeyCounts(t *testing.T) {
	row := cellRow{"server idle": "a", "server": "b", "idle": "c", "": "d"}
	for _, x := range []struct {
		role        engine.Role
		state, want string
	}{{engine.Server, "idle", "a"}, {engine.Server, "open", "b"}, {engine.Client, "idle", "c"}, {engine.Client, "open", "d"}} {
		if says, _, ok := row.of(cell{role: x.role, Cell: spec.Cell{State: x.state}}); says != x.want || !ok {
			t.Errorf("of a %s in %s it says %q; want %q", x.role, x.state, says, x.want)
		}
	}
	if _, _, ok := (cellRow{"open": "x"}).of(cell{Cell: spec.Cell{State: "idle"}}); ok {
		t.Error("a row says something of a state that it does not have")
	}
}
