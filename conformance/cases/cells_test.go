package cases

import (
	"regexp"
	"testing"
)

// Every cell of the text's tables has a case made from it, a written case of
// the requirement that its excuse names, or a reason.
func TestEveryCellIsShownOrExcused(t *testing.T) {
	have := map[string]bool{}
	for _, c := range All(Lookup) {
		have[c.ID+"/"+string(c.Role)] = true
	}
	id := regexp.MustCompile(`[A-Z]+-\d{3}`)
	n, made := 0, 0
	used := map[string]bool{}
	eachCell(func(c cell) {
		n++
		name := string(c.role) + ", " + c.event + " in " + c.State
		why, excused := c.excuse()
		for _, state := range []string{c.State, ""} {
			if _, ok := excuses[c.event][state]; ok {
				used[c.event+"/"+state] = true
				break
			}
		}
		switch {
		case c.generated():
			made++
			if _, ok := Lookup(c.requirement()); !ok {
				t.Errorf("%s belongs to %q, which PROTOCOL.md does not have", name, c.requirement())
			}
		case !excused:
			t.Errorf("%s (%s): neither a case nor an excuse", name, c.promise())
		default:
			for _, shows := range id.FindAllString(why, -1) {
				if !have[shows+"/"+string(c.role)] {
					t.Errorf("%s is said to be shown by %s, which has no case for the role", name, shows)
				}
			}
		}
	})
	for event, row := range excuses {
		for state := range row {
			if !used[event+"/"+state] {
				t.Errorf("an excuse for %s in %q, which is no cell", event, state)
			}
		}
	}
	if made < 60 {
		t.Errorf("only %d of %d cells have a case of their own", made, n)
	}
	t.Logf("%d cells: %d cases, %d shown elsewhere or excused", n, made, n-made)
}
