package config

import "reflect"

// Changed lists the keys whose values are not the same in two configurations of one program, each by a pointer: those that can
// change while it runs, and those that need a restart.
func Changed(from, to any) (live, restart []string) {
	other := fieldsOf(to)
	for i, f := range fieldsOf(from) {
		switch {
		case reflect.DeepEqual(f.value.Interface(), other[i].value.Interface()):
		case f.tag.Get("live") == "yes":
			live = append(live, f.key)
		default:
			restart = append(restart, f.key)
		}
	}
	return live, restart
}

// Program is the configuration of either program.
type Program interface {
	Server | Client
	// ConfigFile is the name of its file; "" without one.
	ConfigFile() string
}

// ConfigFile is File.
func (c Server) ConfigFile() string { return c.File }

// ConfigFile is File.
func (c Client) ConfigFile() string { return c.File }
