// Package spec is PROTOCOL.md as data: the requirement catalogue, the state
// tables, limits and registries, and the golden vectors. It imports the
// standard library only and embeds everything it serves. The JSON files can be
// used without Go; README.md describes them.
//
//	requirement.go      Requirement, Requirements, Lookup   requirements.json
//	frame.go            Frame, Frames, ExtFrames, FrameOf   frames.json
//	                    AuthFrames, BindFrames
//	state.go            StateTable, States                  states.json
//	action.go           Event, EventOf, Action, ActionOf    events.json actions.json
//	limit.go            Limit, Limits, LimitOf              limits.json
//	registry.go         Types, Statuses, Scopes             types.json statuses.json errors.json
//	                    Codes, Tags                         codes.json tags.json
//	section.go          Section, Sections, Term, Terms      sections.json terms.json
//	vector.go           Vector, Vectors                     vectors/*.json
//	octets.go           Octets, the notation of octets in vectors
//	wire/               the codec
//	model/              checks the state tables
//	internal/extract/   makes the JSON files beside this one from PROTOCOL.md
//	internal/vecgen/    makes the vectors, without the codec
//	internal/luagen/    makes the tables of the dissector
//
// The tests of this package also hold the rules of the whole module: which
// package may import which, and that each has a package comment.
package spec

//go:generate go run ./internal/extract -in ../PROTOCOL.md -out .
//go:generate go run ./internal/vecgen -out vectors
//go:generate go run ./internal/luagen -file wireshark/adit.lua
