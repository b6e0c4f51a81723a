package run

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/load/control"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/rig"
	"github.com/adit-tunnel/adit/loadgen/scenario"
	"github.com/adit-tunnel/adit/scenarios"
)

// A Session is what a user asks for: scenarios, one after the other, on the same subjects.
type Session struct {
	Subjects     []string // files; none: the reference of this repository
	Rivals       []string // files of subjects that are measured beside them
	Profile      string
	Out          string        // folder for the results; empty: none are written
	Force        bool          // replace records that are there
	Events       string        // file for notices, or - for Stdout; empty: nobody wants them
	Runtime      string        // empty: as the scenario says
	Elsewhere    rig.Elsewhere // what runs already; its token stands in TokenFile
	TokenFile    string
	AllowRemote  bool     // put load on addresses beyond this machine
	Certificates []string // bundles of the subjects
	Command      string   // for the record: what the user typed
	Tool         string   // for the record: version of adit-load

	Stdout, Stderr io.Writer
}

// Run measures the scenarios of some files. An error is an *ExitError.
func (s *Session) Run(ctx context.Context, files []string) (err error) {
	scenarios, r, err := s.prepare(files)
	if err != nil {
		return err
	}
	tables := s.Stdout
	told, err := openEvents(s.Events, s.Stdout)
	if err != nil {
		return err
	}
	defer func() {
		if problem := told.close(); problem != nil && err == nil {
			err = &ExitError{ExitInternal, fmt.Errorf("--events: %w", problem)}
		}
	}()
	if s.Events == "-" {
		tables = s.Stderr
	}
	bar := newProgress(s.Stderr)
	if bar.w != nil || s.Events != "" { // else the generators are not even asked
		r.Tell = func(n Notice) {
			told.write(n)
			bar.show(n)
		}
	}
	code := ExitOK
	for _, sc := range scenarios {
		rec, err := r.Run(ctx, sc)
		bar.end()
		var ended *ExitError
		if err != nil {
			ended = exitOf(ctx, err)
		}
		rec.Exit = new(codeOf(rec, ended))
		if len(rec.Blocks) > 0 {
			if err := s.show(rec, tables); err != nil {
				return &ExitError{ExitInternal, err}
			}
		}
		if ended != nil {
			if ended.Code != ExitLimits && ended.Code != ExitStart {
				return ended
			}
			fmt.Fprintf(s.Stderr, "adit-load: %v\n", ended) // the next scenario may do
		}
		code = worse(code, *rec.Exit)
	}
	if code != ExitOK {
		return &ExitError{Code: code}
	}
	return nil
}

// prepare reads and checks everything that the user gave, before anything is started.
func (s *Session) prepare(files []string) ([]*scenario.Scenario, *Runner, error) {
	if s.Runtime != "" && !slices.Contains(scenario.Runtimes, s.Runtime) {
		return nil, nil, Usage(fmt.Errorf("--runtime %s", subject.OneOf(s.Runtime, scenario.Runtimes)))
	}
	scenarios, err := LoadScenarios(files, s.Profile)
	if err != nil {
		return nil, nil, err
	}
	names := map[string]string{}
	for i, sc := range scenarios {
		if other, twice := names[sc.Name]; twice {
			return nil, nil, Usage(fmt.Errorf("%s: scenario: %s is the name of %s, too; give each another name", files[i], sc.Name, other))
		}
		names[sc.Name] = files[i]
		sc.Runtime = cmp.Or(s.Runtime, sc.Runtime)
		if n := len(s.Elsewhere.Generators); n > 0 {
			sc.Generators = scenario.Count(n)
		}
	}
	r := &Runner{Command: s.Command, Profile: s.Profile, Tool: s.Tool}
	if r.Subjects, err = s.loadSubjects(scenarios); err != nil {
		return nil, nil, Usage(err)
	}
	for _, f := range r.Subjects[len(r.Subjects)-len(s.Rivals):] {
		r.Rivals = append(r.Rivals, f.Name)
	}
	if r.Executable, err = os.Executable(); err != nil {
		return nil, nil, &ExitError{ExitInternal, err}
	}
	r.Self = rig.Quote(r.Executable)
	if r.Bundles, err = s.loadBundles(r.Subjects); err != nil {
		return nil, nil, Usage(fmt.Errorf("--certificate: %w", err))
	}
	if r.Elsewhere, err = s.elsewhere(scenarios, r.Subjects); err != nil {
		return nil, nil, Usage(err)
	}
	return scenarios, r, Usage(s.ready(scenarios))
}

// LoadScenarios reads all scenario files before anything is started, with the times of a profile.
func LoadScenarios(files []string, profile string) (out []*scenario.Scenario, err error) {
	var errs []error
	for _, name := range files {
		s, err := scenario.Load(name)
		out, errs = append(out, s), append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, Usage(err)
	}
	for _, s := range out {
		if err := s.Apply(profile); err != nil {
			return nil, Usage(err)
		}
	}
	return out, nil
}

// loadSubjects reads the files that the user gave, or the reference of this repository, and last the rivals.
func (s *Session) loadSubjects(scenarios []*scenario.Scenario) (out []*subject.File, err error) {
	given := s.Subjects
	if given == nil {
		given = []string{"scenarios/subjects/reference-container.yaml"}
		if slices.ContainsFunc(scenarios, func(sc *scenario.Scenario) bool { return sc.Runtime != scenario.Container }) {
			given = []string{"scenarios/subjects/reference.yaml"}
		}
	}
	names := map[string]string{}
	for _, name := range slices.Concat(given, s.Rivals) {
		f, err := subject.Load(name)
		if s.Subjects == nil && errors.Is(err, fs.ErrNotExist) {
			f, err = beside()
		}
		if err != nil {
			return nil, err
		}
		if other, twice := names[f.Name]; twice {
			return nil, fmt.Errorf("%s: name: %s is the name of %s, too; give each another name", name, f.Name, other)
		}
		names[f.Name] = name
		out = append(out, f)
	}
	return out, nil
}

// beside is the reference whose programs lie beside this one, wherever that is.
func beside() (*subject.File, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	bin := filepath.Dir(self)
	if _, err := os.Stat(filepath.Join(bin, "adit-server")); err != nil {
		return nil, errors.New("--subject is missing: name a file that says what is measured, as those in scenarios/subjects do, or put adit-server and adit-client beside adit-load")
	}
	text, err := scenarios.Files.ReadFile("subjects/reference.yaml")
	if err != nil {
		return nil, err
	}
	return subject.Parse(filepath.Join(bin, "reference.yaml"), bytes.ReplaceAll(text, []byte("{here}/../../bin"), []byte("{here}")))
}

// loadBundles reads the certificates, each of one of the subjects.
func (s *Session) loadBundles(subjects []*subject.File) (out []*record.Bundle, err error) {
	for _, name := range s.Certificates {
		b, err := record.LoadBundle(name)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(subjects, func(f *subject.File) bool { return b.Of(f.Name) }) {
			return nil, fmt.Errorf("%s: is of %q, which is the name of none of the subjects", name, b.Subject)
		}
		out = append(out, b)
	}
	return out, nil
}

// elsewhere checks what runs already against the scenarios and subjects.
func (s *Session) elsewhere(scenarios []*scenario.Scenario, subjects []*subject.File) (e rig.Elsewhere, err error) {
	e = s.Elsewhere
	for _, a := range e.Addrs() {
		if a.Control {
			if e.Token, err = control.Token(s.TokenFile, a.Flag, a.Addr); err != nil {
				return e, err
			}
		}
	}
	if err := e.Reach(subjects, s.AllowRemote); err != nil {
		return e, err
	}
	for _, sc := range scenarios {
		if err := e.Check(sc, subjects); err != nil {
			return e, err
		}
	}
	return e, nil
}
