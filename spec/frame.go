package spec

import (
	"iter"
	"slices"
	"sync"
)

// A Frame is the shape of a frame type: one or more rows of the tables of sections 6, 24, 30 and 32.
type Frame struct {
	Type    uint8  `json:"type"`
	Name    string `json:"name"`
	From    string `json:"from"`    // who sends it: server, client or both
	Scope   string `json:"scope"`   // what it is about: connection or tunnel; one about a connection begins with its ID
	Profile string `json:"profile"` // core, ext, auth or bind
	Forms   []Form `json:"forms"`   // no two of them allow the same size
}

// A Form is one way to write the payload of a frame: its fields, one after the other, and nothing else.
type Form struct {
	Name   string  `json:"name,omitempty"` // empty: the type has this form alone
	Min    int     `json:"min"`            // octets of payload
	Max    int     `json:"max"`
	Fields []Field `json:"fields,omitempty"`
}

// A Field is a part of a payload.
type Field struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`            // u8, u16, u32, u64, octets, text or tlvs
	Size  int    `json:"size,omitempty"`  // octets; 0: as many as Count says, or else all that are left
	Count string `json:"count,omitempty"` // the number before it that holds its size
}

var frames = sync.OnceValue(func() []Frame { return load[[]Frame]("frames.json") })

// Frames walks the frames of section 6, those of Core, by their types.
func Frames() iter.Seq[Frame] { return framesOf("core") }

// ExtFrames walks the frames of section 24, those that the Extended profile has beside Core's, by their types.
func ExtFrames() iter.Seq[Frame] { return framesOf("ext") }

// AuthFrames walks the frames of section 30, those that the option auth has beside the base's.
func AuthFrames() iter.Seq[Frame] { return framesOf("auth") }

// BindFrames walks the frames of section 32, those that the option bind has beside the base's.
func BindFrames() iter.Seq[Frame] { return framesOf("bind") }

func framesOf(profile string) iter.Seq[Frame] {
	return func(yield func(Frame) bool) {
		for _, f := range frames() {
			if f.Profile == profile && !yield(f) {
				return
			}
		}
	}
}

// FrameOf returns the frame of a type of Core or of the Extended profile's base; ok is false for one that neither
// section 6 nor section 24 has, as those of options.
func FrameOf(typ uint8) (f Frame, ok bool) {
	return findFrame(func(f Frame) bool { return f.Type == typ && (f.Profile == "core" || f.Profile == "ext") })
}

// FrameNamed returns the frame of a name, like "Data"; those of options are among them.
func FrameNamed(name string) (f Frame, ok bool) {
	return findFrame(func(f Frame) bool { return f.Name == name })
}

func findFrame(match func(Frame) bool) (Frame, bool) {
	i := slices.IndexFunc(frames(), match)
	if i < 0 {
		return Frame{}, false
	}
	return frames()[i], true
}

// Counted is the field whose size the field of a name holds.
func (m Form) Counted(name string) (Field, bool) {
	i := slices.IndexFunc(m.Fields, func(f Field) bool { return f.Count != "" && f.Count == name })
	if i < 0 {
		return Field{}, false
	}
	return m.Fields[i], true
}

// FormNamed returns the form of a name; "" is the form of a type that has one alone.
func (f Frame) FormNamed(name string) (Form, bool) {
	i := slices.IndexFunc(f.Forms, func(m Form) bool { return m.Name == name })
	if i < 0 {
		return Form{}, false
	}
	return f.Forms[i], true
}
