package config

import (
	"os"
	"strings"

	"github.com/agnivade/levenshtein"
)

const (
	variablePrefix = "ADIT_"
	fileVariable   = variablePrefix + "CONFIG" // in the place of --config
)

// variable is what a key is called in the environment, like ADIT_TUNNEL_LISTEN_PORT.
func variable(key string) string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// variable is what the field is called in the environment; "": it cannot be set there, or is read by other means.
func (f field) variable() string {
	if f.tag.Get("env") == "-" {
		return ""
	}
	return variable(f.key)
}

// misspelled records variables that are nearly one of fields: to pass over them would be to start with another value than the
// one that was meant. What is not near belongs to somebody else.
func (k *checker) misspelled(fields []field) {
	known := map[string]bool{fileVariable: true, keyVariable: true, variablePrefix + "API_KEY": true}
	for _, all := range [][]field{fieldsOf(new(Server)), fieldsOf(new(Client)), fields} { // one environment serves both programs
		for _, f := range all {
			known[f.variable()] = true
		}
	}
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, variablePrefix) || known[name] {
			continue
		}
		nearest, least := "", (len(name)-len(variablePrefix))/4+1
		for _, f := range fields {
			if v := f.variable(); v != "" && levenshtein.ComputeDistance(name, v) < least {
				nearest, least = v, levenshtein.ComputeDistance(name, v)
			}
		}
		if nearest != "" {
			k.fail(name, "is not a variable of this program; is it to be %s?", nearest)
		}
	}
}
