package run

import (
	"fmt"
	"os"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/rig"
	"github.com/adit-tunnel/adit/loadgen/rig/sample"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// Plans says what scenarios will take on this machine; without subjects, of one.
func Plans(files, subjects []string, profile string) (out []*scenario.Plan, err error) {
	scenarios, err := LoadScenarios(files, profile)
	if err != nil {
		return nil, err
	}
	var given []*subject.File
	for _, name := range subjects {
		f, err := subject.Load(name)
		if err != nil {
			return nil, Usage(err)
		}
		given = append(given, f)
	}
	here, absent := rig.Installed(given)
	tunnels := rig.Describe(here)
	if len(given) == 0 {
		tunnels = []record.Subject{{Name: "subject"}}
	}
	machine := sample.ReadEnvironment()
	for _, s := range scenarios {
		var routes []string
		for _, r := range record.Routes(s.Paths, tunnels) {
			routes = append(routes, r.String())
		}
		p := s.PlanOn(routes, machine, rig.CanTBF)
		p.NotRun = append(p.NotRun, absent...)
		out = append(out, p)
	}
	return out, nil
}

// Emit writes the file of one of rig.Formats for a scenario and tunnels that run already.
func Emit(file string, subjects []string, profile, format, image string) ([]byte, error) {
	d := &rig.Deployment{Image: image, Profile: profile}
	data, err := scenario.Read(file)
	if err != nil {
		return nil, err
	}
	d.File = rig.Source{Name: file, Data: data}
	if d.Scenario, err = scenario.Parse(file, d.File.Data); err != nil {
		return nil, err
	}
	if err := d.Scenario.Apply(profile); err != nil {
		return nil, err
	}
	for _, name := range subjects {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		d.Subjects = append(d.Subjects, rig.Source{Name: name, Data: data})
	}
	text, err := d.Emit(format)
	if err != nil {
		return nil, fmt.Errorf("--emit %s: %w", format, err)
	}
	return text, nil
}
