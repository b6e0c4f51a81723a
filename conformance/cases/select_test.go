package cases

import (
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/engine"
)

func TestMatches(t *testing.T) {
	c := engine.Case{ID: "OPEN-015", Role: engine.Server, Variant: "late"}
	for pattern, want := range map[string]bool{
		"OPEN-015": true, "open-015": true, "OPEN-015/server": true, "OPEN-015/server/late": true,
		"OPEN-*": true, "OPEN-01?": true, "*/server": true, "OPEN-015/*/late": true, "*": true,
		"OPEN": false, "OPEN-01": false, "OPEN-015/client": false, "OPEN-015/server/lat": false, "OPEN-015/": false, "": false, "[": false,
	} {
		if got := Matches(pattern, c); got != want {
			t.Errorf("Matches(%q, %s) = %v; want %v", pattern, c.Name(), got, want)
		}
	}
}

func TestCheckPatternsNamesTheNearest(t *testing.T) {
	if err := CheckPatterns([]string{"OPEN-015", "FRAME-*", "ALIVE-007", "OPEN-015/server"}); err != nil {
		t.Errorf("CheckPatterns of what there is = %v", err)
	}
	for pattern, want := range map[string]string{
		"OPEN-15":              "nearest: OPEN-015;",
		"frame-02":             "FRAME-002",
		"FRAME-002/sever":      "nearest: FRAME-002/server;",
		"FRAME-002/client/htp": "FRAME-002/client/http",
		"something else":       "no such requirement or case; adit-conform list",
	} {
		if err := CheckPatterns([]string{pattern}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("CheckPatterns(%s) = %v; want %q", pattern, err, want)
		}
	}
}
