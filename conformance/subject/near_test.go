package subject_test

import (
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/subject"
)

func TestWhatIsSpeltMostAlikeIsSuggested(t *testing.T) {
	words := []string{"measure", "mode", "max", "repeat"}
	for word, want := range map[string]string{
		"measur": "measure", "MEASURE": "measure", "mod": "mode", "m": "", "xyz": "", "repaet": "repeat", "meaxxre": "measure",
	} {
		if got := strings.Join(subject.Near(word, words), " "); got != want {
			t.Errorf("Near(%s) = %q; want %q", word, got, want)
		}
	}
	if got := strings.Join(subject.Near("ab", []string{"ac", "ad", "zz"}), " "); got != "ac ad" {
		t.Errorf("Near(ab) = %q; want both that are as near", got)
	}
	if got, want := subject.OneOf("mod", words), `"mod" must be one of measure, mode, max, repeat; did you mean mode?`; got != want {
		t.Errorf("OneOf = %s; want %s", got, want)
	}
	if got, want := subject.OneOf("xyz", words[:1]), `"xyz" must be one of measure`; got != want {
		t.Errorf("OneOf = %s; want %s", got, want)
	}
}
