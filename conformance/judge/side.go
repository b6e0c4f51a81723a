package judge

// A Side of a tunnel. Frames of a side are those that it sent.
type Side uint8

// The sides.
const (
	Server Side = iota
	Client
)

// Peer is the other side.
func (s Side) Peer() Side { return 1 - s }

func (s Side) String() string {
	if s == Server {
		return "server"
	}
	return "client"
}
