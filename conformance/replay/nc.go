package replay

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// settle is how long a script for nc waits for what the suite would wait for by looking.
const settle = time.Second

// maxNC bounds the octets that a shell script is made to hold.
const maxNC = 1 << 20

// WriteNC writes a file as a shell script that sends the same octets with nc.
// An error says why the file cannot be put that way.
func (f *File) WriteNC(w io.Writer) error {
	body, err := f.ncBody()
	if err != nil {
		return fmt.Errorf("this failure cannot be shown with nc: %w", err)
	}
	var b strings.Builder
	b.WriteString("#!/bin/sh\n")
	comment := func(format string, args ...any) {
		for line := range strings.SplitSeq(fmt.Sprintf(format, args...), "\n") {
			fmt.Fprintf(&b, "# %s\n", strings.Map(printable, line))
		}
	}
	comment("%s: %s", f.Case, f.Title)
	comment("%s (%s) %s", f.Requirement.ID, f.Requirement.Level, f.Requirement.Clause)
	comment("Expected: %s", strings.TrimSpace(f.Failure.Sentence+". "+f.Failure.Expected))
	comment("Got: %s", f.Failure.Got)
	comment("What the server sends is printed in hex, when its stream or the script has ended.")
	b.WriteString("if [ $# -ne 2 ]; then echo \"usage: $0 HOST PORT\" >&2; exit 2; fi\n{\n")
	b.WriteString(body)
	fmt.Fprintf(&b, "  echo '# the script is over' >&2\n} | {\n  nc -w %d \"$1\" \"$2\" | od -An -v -tx1\n  echo '# the stream of the tunnel has ended, or nothing came for %d s after the script' >&2\n}\n", f.patience(), f.patience())
	_, err = io.WriteString(w, b.String())
	return err
}

// patience is how many seconds nc waits when nothing happens.
func (f *File) patience() int {
	longest := 2 * settle
	for _, s := range f.Steps {
		longest = max(longest, wait(s)+settle)
	}
	return int(longest/time.Second) + 1
}

func printable(c rune) rune {
	if c < ' ' || c == 0x7F {
		return ' '
	}
	return c
}

// ncBody is the lines that send.
func (f *File) ncBody() (string, error) {
	var b strings.Builder
	if f.Role != engine.Server {
		return "", fmt.Errorf("the subject is a client: it dials, and nc would have to wait for it")
	}
	if f.Cut == engine.ByOctet || f.Cut == engine.ByField {
		return "", fmt.Errorf("it takes octets in writes of their own")
	}
	if f.Symptom.Rule == "" && !f.Symptom.Dies && f.Symptom.Step == nil {
		return "", fmt.Errorf("nc cannot see the memory of the server")
	}
	tunnel, size := "", 0
	add := func(comment, command string) {
		fmt.Fprintf(&b, "  # %s\n  %s\n", strings.Map(printable, comment), command)
	}
	steps := f.Steps
	if f.Symptom.Step != nil {
		steps = append(steps[:len(steps):len(steps)], *f.Symptom.Step)
	}
	for i, s := range steps {
		switch s.Do {
		case "tunnel":
			if tunnel != "" {
				return "", fmt.Errorf("step %d opens another tunnel", i+1)
			}
			tunnel = s.On
		case "send":
			octets, err := s.Octets.Bytes(anyID, 0)
			if size += len(octets); err != nil || size > maxNC {
				return "", fmt.Errorf("step %d sends more than %d octets", i+1, maxNC)
			}
			if s.Piece > 0 && s.Piece < len(octets) && s.Pause > 0 {
				return "", fmt.Errorf("step %d takes octets in writes of their own", i+1)
			}
			add(Describe(s), "printf '"+octal(octets)+"'")
		case "barrier", "none":
			add(Describe(s), "printf '"+octal(engine.KeepAlive().Bytes())+"'; sleep "+seconds(i == len(f.Steps), s))
		case "expect", "next", "data", "closed", "until", "see", "pause", "taken":
			add(Describe(s), "sleep "+seconds(i == len(f.Steps) || s.Do == "pause", s))
		case "mute":
		case "finish", "close":
			if i < len(f.Steps)-1 {
				return "", fmt.Errorf("step %d ends the tunnel before the script is over", i+1)
			}
		case "alive":
			return "", fmt.Errorf("the failure shows on another tunnel")
		default:
			return "", fmt.Errorf("step %d (%s) needs more than a tunnel", i+1, Describe(s))
		}
	}
	if tunnel == "" {
		return "", fmt.Errorf("it opens no tunnel")
	}
	if f.Symptom.Step == nil {
		add("what follows is the subject's", "sleep "+seconds(true, engine.Step{Within: engine.Duration(engine.Answer)}))
	}
	return b.String(), nil
}

// seconds is how long the script sleeps: as long as the step may take when it is the symptom.
func seconds(whole bool, s engine.Step) string {
	d := settle
	if whole {
		d = max(wait(s), settle)
	}
	return fmt.Sprint(int((d + time.Second - 1) / time.Second))
}

// octal is octets as printf takes them everywhere.
func octal(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		fmt.Fprintf(&s, `\%03o`, c)
	}
	return s.String()
}
