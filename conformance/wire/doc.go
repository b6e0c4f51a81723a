// Package wire is the suite's own reader and writer of frames, right and wrong.
//
// What a frame looks like it takes from the tables of frames (spec.Frames, spec.ExtFrames, spec.AuthFrames),
// so a new type is a row of PROTOCOL.md. It shares no code with spec/wire, and is
// proven by the golden vectors alone: an error in the reference codec cannot
// pass on both sides.
//
// A Frame may be wrong in every way that its octets can be, and may be
// the beginning of one: who judges octets that pass keeps no payloads.
//
//	type.go    Type, and the shape of each type's payload
//	frame.go   Frame: made, measured, taken apart, written
//	ext.go     the frames of the Extended profile's base; tlv.go: the TLVs in them
//	auth.go    the option auth: keys, the tag, proofs
//	read.go    Read from a stream, Split a slice, Scanner for octets that pass
//	values.go  frames as the vectors describe them
//	text.go    frames and octets for people
package wire
