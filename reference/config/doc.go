// Package config reads what the commands are told: flags over environment over file over defaults. Every key of the file is
// also a flag of the same dotted name, and a variable of the environment. A file is refused, never adjusted: an unknown key, a wrong value or one
// out of bounds is an error that names the file, the line, the key and the remedy. Timers and sizes that
// section 17 of PROTOCOL.md has take their defaults and bounds from there.
//
//	server.go  keys of adit-server, those of the source document at their documented places, map among them
//	client.go  keys of adit-client
//	web.go     keys of the server that are about the web
//	log.go     keys of the log, and the logger they ask for
//	fields.go  a struct as a list of keys: names, defaults and bounds by tags
//	load.go    flags over environment over file over defaults
//	environment.go  variables, and those that are misspelled
//	file.go    the YAML or JSON file, strictly
//	schema.go  the JSON Schema of the file, published beside this as server.schema.json and client.schema.json
//	check.go   the checks, and where a key was set
//	change.go  what differs between two configurations, and whether that needs a restart
//	usage.go   -help
package config
