package record

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// A Program is what a role of a subject ran.
type Program struct {
	Role   string `json:"role"`
	SHA256 string `json:"sha256,omitempty"` // of the file; empty: out of sight
	Image  string `json:"image,omitempty"`  // ID
}

// Uncertified is the standing of a subject without a certificate.
const Uncertified = "uncertified"

// Certified is the standing of a subject whose certificate is of the programs that were measured.
const Certified = "certified"

// A Certificate is what a conformance run said of a subject.
type Certificate struct {
	Standing string `json:"standing"`         // certified or uncertified
	Reason   string `json:"reason,omitempty"` // for uncertified
	SHA256   string `json:"sha256,omitempty"` // of the bundle's file
	Verdict  string `json:"verdict,omitempty"`
	Set      string `json:"requirement_set,omitempty"`
	Spec     string `json:"spec,omitempty"` // version of PROTOCOL.md
	Suite    string `json:"suite,omitempty"`
}

func (c *Certificate) String() string {
	if c.Standing != Certified {
		return Uncertified + ": " + c.Reason
	}
	return fmt.Sprintf("%s (%s), requirement set %s, bundle %.12s…", c.Standing, c.Verdict, c.Set, c.SHA256)
}

// A Bundle is what is read of a report that adit-conform run --bundle wrote.
type Bundle struct {
	Subject    string   `json:"subject"`
	Suite      string   `json:"suite"`
	Spec       string   `json:"spec"`
	Set        string   `json:"requirement_set"`
	ExitCode   *int     `json:"exit_code"`
	Conclusion string   `json:"conclusion"`
	Selection  []string `json:"selection"`
	Bundle     *struct {
		Subject []struct {
			SHA256 string `json:"sha256"`
		} `json:"subject"`
	} `json:"bundle"`

	sha256 string
}

// Of reports whether the bundle is of the subject of this name; it may say the version, too.
func (b *Bundle) Of(name string) bool {
	return b.Subject == name || strings.HasPrefix(b.Subject, name+" (")
}

// LoadBundle reads a bundle.
func LoadBundle(name string) (*Bundle, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	b := &Bundle{}
	if err := json.Unmarshal(data, b); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if b.Bundle == nil || b.ExitCode == nil {
		return nil, fmt.Errorf("%s: is no conformance bundle: write one with adit-conform run --bundle", name)
	}
	sum := sha256.Sum256(data)
	b.sha256 = hex.EncodeToString(sum[:])
	return b, nil
}

// Certify gives each subject its standing: the bundle of its name counts if it
// says certified, and knows each program that was measured.
func (r *Record) Certify(bundles []*Bundle) {
	for i := range r.Subjects {
		s := &r.Subjects[i]
		n := slices.IndexFunc(bundles, func(b *Bundle) bool { return b.Of(s.Name) })
		if n < 0 {
			s.Certificate = &Certificate{Standing: Uncertified, Reason: "no certificate was given"}
			continue
		}
		b := bundles[n]
		s.Certificate = &Certificate{Standing: Certified, SHA256: b.sha256, Verdict: b.Conclusion, Set: b.Set, Spec: b.Spec, Suite: b.Suite}
		if reason := b.lacks(s.Programs); reason != "" {
			s.Certificate.Standing, s.Certificate.Reason = Uncertified, reason
		}
	}
}

// lacks says why the bundle does not certify the programs; empty when it does.
func (b *Bundle) lacks(programs []Program) string {
	switch {
	case *b.ExitCode != 0:
		return "its conformance run says: " + b.Conclusion
	case len(b.Selection) > 0:
		return "its conformance run made a selection of the cases"
	case len(programs) == 0:
		return "which programs were measured is not known"
	}
	for _, p := range programs {
		known := false
		for _, d := range b.Bundle.Subject {
			known = known || p.SHA256 != "" && d.SHA256 == p.SHA256
		}
		if !known {
			return fmt.Sprintf("its certificate is of another program: the %s has the digest %.12s…", p.Role, p.SHA256)
		}
	}
	return ""
}
