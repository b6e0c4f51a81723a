package fault

import (
	"cmp"
	"slices"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// Roles of a mutant.
const (
	Server = engine.Server
	Client = engine.Client
	API    = engine.API
)

// A Mutant breaks one requirement, in one role.
type Mutant struct {
	Name string // what --mutant takes
	Req  string
	Role engine.Role
	Does string // what it does wrong

	// Cut says that it shows only when the suite compares ways of cutting the octets.
	Cut bool
}

// ID tells mutants apart: a name and a role.
func (m Mutant) ID() string { return m.Name + "/" + string(m.Role) }

// Mutants are all mutants, server before client before API, in the order of PROTOCOL.md.
func Mutants() []Mutant {
	var all []Mutant
	for _, role := range []engine.Role{Server, Client, API} {
		for _, e := range slices.Concat(coreMutants, extMutants, authMutants, tlsMutants, bindMutants, apiMutants) {
			if e.role != role && !(e.role == engine.Both && role != API) {
				continue
			}
			all = append(all, e.mutant(role))
		}
	}
	for _, l := range Liars() {
		all = append(all, Mutant{Name: l.Name, Role: l.Role, Does: l.Does})
	}
	return all
}

// A Liar is a whole subject that is wrong in everything.
type Liar struct {
	Name, Does string
	Role       engine.Role
}

// Liars are all liars, for each role.
func Liars() []Liar {
	var all []Liar
	for _, role := range []engine.Role{Server, Client} {
		all = append(
			all,
			Liar{"liar-drop", "reads everything and says nothing", role},
			Liar{"liar-hang", "connects, reads nothing, says nothing", role},
			Liar{"liar-close", "closes at the first frame", role},
			Liar{"liar-echo", "sends back the octets that it reads", role},
			Liar{"liar-random", "answers whatever it reads with frames at random", role},
			Liar{"liar-hello", "says HELLO, answers PING and KeepAlive, and does nothing else", role},
		)
	}
	return all
}

// entry is a line of the tables below; role Both makes a mutant of each role.
type entry struct {
	name string // and the requirement, unless req is given
	req  string
	role engine.Role
	does string
	cut  bool
}

// mutant is the entry in one role.
func (e entry) mutant(role engine.Role) Mutant {
	return Mutant{Name: e.name, Req: cmp.Or(e.req, e.name), Role: role, Does: e.does, Cut: e.cut}
}

var coreMutants = []entry{
	{name: "TUN-001", role: Server, does: "serves visitors only after the client's first frame"},
	{name: "TUN-002", role: engine.Both, does: "ignores the end of the tunnel's stream"},
	{name: "FRAME-001", role: engine.Both, does: "sends a KeepAlive with one octet of payload"},
	{name: "FRAME-002", role: engine.Both, does: "takes any version"},
	{name: "FRAME-003", role: engine.Both, does: "refuses a payload of exactly 1,048,576 octets"},
	{name: "FRAME-004", role: engine.Both, does: "waits for the payload of an oversize frame"},
	{name: "FRAME-005", role: engine.Both, does: "sends Data of up to 3 MiB when the local peer is fast"},
	{name: "FRAME-006", role: engine.Both, does: "loses a header that does not come in one piece"},
	{name: "FRAME-006-quietly", req: "FRAME-006", role: engine.Both, does: "answers rightly, but otherwise, once a header did not come in one piece", cut: true},
	{name: "FRAME-007", role: engine.Both, does: "closes the tunnel at an unknown type"},
	{name: "FRAME-008", role: engine.Both, does: "ignores a frame whose payload has a wrong size"},
	{name: "FRAME-009", role: engine.Both, does: "sends a frame of the reserved type 0x06"},
	{name: "FRAME-010", role: engine.Both, does: "sends Data of 512 KiB whoever waits"},
	{name: "ID-001", role: Server, does: "uses the ID of a closing or abandoned connection again"},
	{name: "ID-002", role: Server, does: "allocates IDs in decreasing order"},
	{name: "ID-003", role: Client, does: "refuses the IDs 0 and 0xFFFFFFFF"},
	{name: "ID-004", role: Client, does: "ignores a request for an ID in use"},
	{name: "OPEN-001", role: Server, does: "requests a port that is not the mapping's"},
	{name: "OPEN-002", role: Client, does: "ignores the short form"},
	{name: "OPEN-003", role: Client, does: "connects to 127.0.0.2 when a name is given"},
	{name: "OPEN-004", role: Client, does: "answers a failed request twice"},
	{name: "OPEN-005", role: Client, does: "answers success while the dial still hangs"},
	{name: "OPEN-006", role: Client, does: "says nothing about a dial that failed"},
	{name: "OPEN-007", role: Client, does: "uses status 0x01 for every failure"},
	{name: "OPEN-008", role: Client, does: "closes the tunnel at a request for port 0"},
	{name: "OPEN-009", role: Client, does: "closes the tunnel at an invalid host"},
	{name: "OPEN-010", role: Server, does: "ignores a ConnectRequest from a client"},
	{name: "OPEN-011", role: Client, does: "ignores a ConnectResponse from a server"},
	{name: "OPEN-012", role: Client, does: "gives up a dial after 24 s only"},
	{name: "OPEN-013", role: Client, does: "reads nothing while it dials"},
	{name: "OPEN-014", role: Server, does: "answers a failure response with Close"},
	{name: "OPEN-015", role: Server, does: "ignores Close in place of a response"},
	{name: "OPEN-016", role: Server, does: "closes the tunnel at a response that nobody waits for"},
	{name: "OPEN-017", role: engine.Both, does: "sends Data before the success"},
	{name: "OPEN-018", role: Server, does: "ignores Data before the response"},
	{name: "OPEN-019", role: Client, does: "ignores Data while it dials"},
	{name: "OPEN-020", role: Server, does: "drops what a visitor sends before the response"},
	{name: "OPEN-021", role: Server, does: "gives up a request whose visitor has sent octets and shut down"},
	{name: "OPEN-022", role: Server, does: "waits for a response for ever"},
	{name: "OPEN-022-early", req: "OPEN-022", role: Server, does: "gives up a request after 2 s"},
	{name: "OPEN-023", role: Server, does: "does not notice that a visitor is gone while its request is pending"},
	{name: "OPEN-024", role: Client, does: "forgets a Close that comes while it dials"},
	{name: "OPEN-025", role: Server, does: "ignores a success for an abandoned ID"},
	{name: "OPEN-026", role: Server, does: "lets visitors wait when there is no tunnel"},
	{name: "OPEN-027", role: Client, does: "sends Close behind a failure response"},
	{name: "DATA-001", role: engine.Both, does: "changes the last octet of large Data"},
	{name: "DATA-002", role: engine.Both, does: "delivers a Data now and then to another connection"},
	{name: "DATA-003", role: engine.Both, does: "ends a connection at Data with no octets"},
	{name: "DATA-004", role: engine.Both, does: "does not answer Data for an ID that was closed for good"},
	{name: "DATA-005", role: engine.Both, does: "closes the tunnel at Data after Close"},
	{name: "DATA-006", role: engine.Both, does: "answers Data that crossed its Close with Close"},
	{name: "DATA-007", role: engine.Both, does: "loses an octet after 4 MiB from the local peer"},
	{name: "DATA-007-awaited", req: "DATA-007", role: engine.Both, does: "stops sending while it waits for an announced payload"},
	{name: "DATA-007-early", req: "DATA-007", role: Server, does: "drops what a visitor says before OPENED"},
	{name: "DATA-008", role: engine.Both, does: "goes on sending Data after its own Close"},
	{name: "CLOSE-001", role: engine.Both, does: "answers the Close that answers its own"},
	{name: "CLOSE-002", role: engine.Both, does: "sends no Close when its local socket fails"},
	{name: "CLOSE-003", role: engine.Both, does: "resets the local socket on Close, the stream's end unsent"},
	{name: "CLOSE-003-early", req: "CLOSE-003", role: Server, does: "resets a visitor that ended its stream before the success"},
	{name: "CLOSE-004", role: engine.Both, does: "sends its own Close only after the local peer has ended its side"},
	{name: "CLOSE-005", role: engine.Both, does: "closes the local socket as soon as it has written everything"},
	{name: "CLOSE-005-early", req: "CLOSE-005", role: engine.Both, does: "closes the local socket 0.2 s after it shut down its write side"},
	{name: "CLOSE-006", role: engine.Both, does: "queues 14 MiB, and never gives up a local peer that reads nothing after Close"},
	{name: "CLOSE-006-total", req: "CLOSE-006", role: engine.Both, does: "resets the local socket 30 s after Close, though it takes octets"},
	{name: "CLOSE-007", role: engine.Both, does: "answers Close for an idle ID with Close"},
	{name: "CLOSE-008", role: engine.Both, does: "after Close sends on all that the local peer still has"},
	{name: "CLOSE-009", role: engine.Both, does: "takes an ID for idle after 60 s without the peer's last word"},
	{name: "CLOSE-010", role: engine.Both, does: "sends Close 7 s after its local socket failed"},
	{name: "CLOSE-012", role: engine.Both, does: "drops what is queued when the ID becomes idle"},
	{name: "CLOSE-012-lost", req: "CLOSE-012", role: engine.Both, does: "drops what lingers when the tunnel is lost"},
	{name: "ORDER-001", role: engine.Both, does: "swaps two Data of a connection"},
	{name: "ORDER-002", role: engine.Both, does: "answers a burst of frames newest first"},
	{name: "ORDER-003", role: engine.Both, does: "owes its answers for 7 s once a connection was busy"},
	{name: "ORDER-004", role: Client, does: "answers Data in state dialing with a failure, and with Close as for an idle ID"},
	{name: "FLOW-001", role: engine.Both, does: "queues without bound"},
	{name: "FLOW-002", role: engine.Both, does: "pauses without end for a connection that takes nothing"},
	{name: "FLOW-003", role: engine.Both, does: "pauses again and again for a connection that takes a little now and then"},
	{name: "FLOW-004", role: engine.Both, does: "pauses for 38 s at a time"},
	{name: "FLOW-005", role: engine.Both, does: "reads nothing while its own frames wait to be sent"},
	{name: "FLOW-005-owed", req: "FLOW-005", role: engine.Both, does: "reads nothing while its answers wait to be sent"},
	{name: "FLOW-007", role: engine.Both, does: "ends a connection as soon as its queue is full"},
	{name: "FLOW-007-alone", req: "FLOW-007", role: engine.Both, does: "ends a slow connection that has the tunnel for itself"},
	{name: "FLOW-008", role: Server, does: "says nothing while it pauses"},
	{name: "ALIVE-001", role: Client, does: "sends KeepAlive only when it has sent nothing else for 15 s"},
	{name: "ALIVE-002", role: Server, does: "answers several KeepAlives in a row with one"},
	{name: "ALIVE-002-unasked", req: "ALIVE-002", role: Server, does: "sends KeepAlives that nobody asked for"},
	{name: "ALIVE-003", role: Client, does: "closes the tunnel at a KeepAlive that it did not ask for"},
	{name: "ALIVE-004", role: Client, does: "never gives up a silent server"},
	{name: "ALIVE-005", role: Server, does: "gives up a client that is silent for 20 s"},
	{name: "ALIVE-006", role: Server, does: "never gives up a silent client"},
	{name: "LOSS-001", role: engine.Both, does: "leaves all local sockets but one open when the tunnel is lost"},
	{name: "LOSS-001-extended", req: "LOSS-001", role: engine.Both, does: "leaves the local sockets of extended connections open when the tunnel is lost"},
	{name: "LOSS-002", role: engine.Both, does: "closes local sockets in order when the tunnel is lost"},
	{name: "LOSS-003", role: Client, does: "dials again once only"},
	{name: "LOSS-004", role: Server, does: "takes no tunnel after the first that was lost"},
	{name: "LOSS-005", role: engine.Both, does: "takes IDs of a lost tunnel's connections as its own on the next"},
	{name: "ERR-001", role: engine.Both, does: "leaves local sockets open after a tunnel error"},
	{name: "ERR-002", role: engine.Both, does: "closes the tunnel when a local socket fails"},
	{name: "ERR-003", role: Server, does: "closes every tunnel when one has an error"},
	{name: "EXT-001", role: engine.Both, does: "sends a frame of type 0x11 that nobody agreed to"},
	{name: "SEC-002", role: Client, does: "dials beyond loopback"},
	{name: "SEC-004", role: Server, does: "takes the memory for a payload as soon as it is announced"},
	{name: "SEC-005", role: engine.Both, does: "writes the text of a RESET into its log as it came"},
	{name: "SEC-005-frame", req: "SEC-005", role: engine.Both, does: "writes what is no frame into its log as it came"},
}

var extMutants = []entry{
	{name: "TLV-001", role: engine.Both, does: "takes a known tag that comes twice"},
	{name: "TLV-001-cut", req: "TLV-001", role: engine.Both, does: "takes a payload that ends within a TLV"},
	{name: "TLV-001-size", req: "TLV-001", role: engine.Both, does: "takes a tag of fixed size in another size"},
	{name: "TLV-002", role: engine.Both, does: "closes the tunnel at a tag that it does not know"},
	{name: "TLV-002-many", req: "TLV-002", role: engine.Both, does: "closes the tunnel at more than a hundred tags that it does not know"},
	{name: "TLV-003", role: engine.Both, does: "ignores a critical tag that it does not know"},
	{name: "TLV-005", role: engine.Both, does: "closes the tunnel at a text of a forbidden length or alphabet"},
	{name: "HELLO-002", role: Server, does: "reads HELLO and says nothing"},
	{name: "HELLO-002-twice", req: "HELLO-002", role: Server, does: "answers HELLO twice"},
	{name: "HELLO-003", role: Server, does: "ignores a HELLO that is not the first frame"},
	{name: "HELLO-004", role: Client, does: "ignores a second HELLO of the server"},
	{name: "HELLO-005", role: Server, does: "agrees to udp, which the client did not offer"},
	{name: "HELLO-005", role: Client, does: "ignores that the server agrees to what it did not offer"},
	{name: "HELLO-006", role: engine.Both, does: "ignores frames of options that nobody agreed to"},
	{name: "HELLO-007", role: engine.Both, does: "closes the tunnel at an extended frame before both HELLOs"},
	{name: "HELLO-007-goaway", req: "HELLO-007", role: Client, does: "skips a GOAWAY in the place of the server's HELLO"},
	{name: "HELLO-008", role: Server, does: "opens by ConnectRequest behind its HELLO"},
	{name: "HELLO-008", role: Client, does: "serves a ConnectRequest behind the server's HELLO"},
	{name: "HELLO-009", role: engine.Both, does: "forgets at HELLO the connections from before"},
	{name: "HELLO-009-kind", req: "HELLO-009", role: engine.Both, does: "ignores an extended frame for a Core connection"},
	{name: "HELLO-010", role: Client, does: "ends the tunnel when the server speaks Core only"},
	{name: "HELLO-012", role: engine.Both, does: "takes a HELLO of more than 4,096 octets"},
	{name: "XID-001", role: Server, does: "opens with falling IDs"},
	{name: "XID-002", role: Client, does: "ignores an OPEN whose ID is not above all others"},
	{name: "XID-003", role: engine.Both, does: "ignores frames for IDs that were never used"},
	{name: "XID-004", role: engine.Both, does: "answers a frame for a dead ID with RESET"},
	{name: "XID-005", role: engine.Both, does: "ignores Close and ConnectResponse for an extended connection"},
	{name: "XOPEN-001", role: Server, does: "opens to a port that is not the mapping's"},
	{name: "XOPEN-003", role: Client, does: "says nothing about an OPEN that it refuses"},
	{name: "XOPEN-003-many", req: "XOPEN-003", role: Client, does: "leaves one of a hundred OPENs without answer"},
	{name: "XOPEN-004", role: Client, does: "says OPENED before it dials"},
	{name: "XOPEN-005", role: Client, does: "closes the tunnel at an OPEN that it cannot serve"},
	{name: "XOPEN-006", role: Server, does: "takes Data and FIN before OPENED"},
	{name: "XOPEN-006", role: Client, does: "sends Data before OPENED"},
	{name: "XOPEN-007", role: Client, does: "drops early data"},
	{name: "XOPEN-007-twice", req: "XOPEN-007", role: Client, does: "delivers early data twice"},
	{name: "XOPEN-007-late", req: "XOPEN-007", role: Client, does: "delivers early data after what came later"},
	{name: "XOPEN-008", role: Server, does: "waits for OPENED for ever"},
	{name: "XOPEN-009", role: Server, does: "says nothing when a visitor is reset before OPENED"},
	{name: "XOPEN-009-eof", req: "XOPEN-009", role: Server, does: "gives up when a visitor's stream ends before OPENED"},
	{name: "XOPEN-010", role: Client, does: "answers RESET that comes while it dials"},
	{name: "XOPEN-010-seat", req: "XOPEN-010", role: Client, does: "keeps the seat of a dial that was given up"},
	{name: "XOPEN-011", role: Server, does: "opens more connections than the client takes"},
	{name: "XOPEN-012", role: Client, does: "closes the tunnel at one OPEN too many"},
	{name: "XOPEN-016", role: engine.Both, does: "ignores an OPEN or OPENED of the wrong role"},
	{name: "XOPEN-016-twice", req: "XOPEN-016", role: Server, does: "ignores a second OPENED"},
	{name: "FIN-001", role: engine.Both, does: "delivers nothing more after its own FIN"},
	{name: "FIN-001-reset", req: "FIN-001", role: engine.Both, does: "sends RESET at the end of the local stream"},
	{name: "FIN-002", role: engine.Both, does: "takes FIN as RESET"},
	{name: "FIN-002-both", req: "FIN-002", role: engine.Both, does: "answers FIN with FIN, whatever the local peer still has to say"},
	{name: "FIN-003", role: engine.Both, does: "ignores Data and FIN behind FIN"},
	{name: "FIN-004", role: engine.Both, does: "sends RESET when both FINs have passed"},
	{name: "FIN-004-queue", req: "FIN-004", role: engine.Both, does: "drops what is queued when both FINs have passed"},
	{name: "FIN-004-reset", req: "FIN-004", role: engine.Both, does: "sends RESET when its local socket fails after both FINs"},
	{name: "FIN-005", role: engine.Both, does: "ends a connection 5 s after one half has ended"},
	{name: "RESET-001", role: engine.Both, does: "sends FIN when its local socket is reset"},
	{name: "RESET-002", role: engine.Both, does: "answers RESET with RESET"},
	{name: "RESET-002-close", req: "RESET-002", role: engine.Both, does: "closes the local socket in order at RESET"},
	{name: "RESET-003", role: engine.Both, does: "closes the tunnel at an unknown code"},
	{name: "WIN-001", role: engine.Both, does: "sends beyond the limit"},
	{name: "WIN-001-ahead", req: "WIN-001", role: engine.Both, does: "reads whatever the local peer sends, credit or not"},
	{name: "WIN-002", role: engine.Both, does: "takes Data beyond the limit"},
	{name: "WIN-003", role: engine.Both, does: "lowers the limit"},
	{name: "WIN-003-sum", req: "WIN-003", role: engine.Both, does: "reads the limit as an increment"},
	{name: "WIN-003-fin", req: "WIN-003", role: engine.Both, does: "closes the tunnel at a WINDOW behind its FIN"},
	{name: "WIN-003-same", req: "WIN-003", role: engine.Both, does: "closes the tunnel at a limit that is not above the last"},
	{name: "WIN-004", role: engine.Both, does: "gives credit for octets that came, taken or not"},
	{name: "WIN-005", role: engine.Both, does: "never sends WINDOW"},
	{name: "WIN-005-empty", req: "WIN-005", role: engine.Both, does: "sends WINDOW only when the whole window is used up"},
	{name: "WIN-005-short", req: "WIN-005", role: engine.Both, does: "grants an eighth of what is due"},
	{name: "WIN-006", role: engine.Both, does: "reads nothing while a local socket takes nothing"},
	{name: "WIN-007", role: engine.Both, does: "ends a connection that takes nothing for 8 s"},
	{name: "WIN-008", role: engine.Both, does: "holds whatever comes"},
	{name: "WIN-008-octets", req: "WIN-008", role: engine.Both, does: "keeps each Data in a buffer of its own, and counts none of them"},
	{name: "PING-001", role: engine.Both, does: "answers PING with its octets reversed"},
	{name: "PING-002", role: engine.Both, does: "closes the tunnel at a PONG that nothing asked for"},
	{name: "AWAY-001", role: Server, does: "sends OPEN behind its GOAWAY"},
	{name: "AWAY-002", role: Server, does: "does not answer the client's GOAWAY"},
	{name: "AWAY-003", role: Client, does: "refuses every OPEN behind its own GOAWAY"},
	{name: "AWAY-004", role: engine.Both, does: "ends all connections at a drain"},
	{name: "AWAY-006", role: Client, does: "dials again 20 s after a drain"},
	{name: "AWAY-007", role: engine.Both, does: "closes the tunnel at a second GOAWAY"},
	{name: "AWAY-008", role: Server, does: "lets visitors wait during a drain"},
	{name: "AWAY-010", role: engine.Both, does: "goes on after the peer's last GOAWAY"},
	{name: "AWAY-013", role: Client, does: "leaves a drained tunnel before the next one is there"},
	{name: "AWAY-015", role: Server, does: "waits for ever for a client to close after a drain"},
}

var authMutants = []entry{
	{name: "AUTH-001", role: Server, does: "serves visitors before the client's proof"},
	{name: "AUTH-001-core", req: "AUTH-001", role: engine.Both, does: "serves by Core whoever says no HELLO"},
	{name: "AUTH-002", role: engine.Both, does: "makes its proofs from the client's HELLO alone"},
	{name: "AUTH-002-label", req: "AUTH-002", role: engine.Both, does: "swaps the labels of the proofs"},
	{name: "AUTH-002-tags", req: "AUTH-002", role: engine.Both, does: "makes its proofs from the tags that it knows"},
	{name: "AUTH-002-tls", req: "AUTH-002", role: engine.Both, does: "ties its proofs to nothing under TLS"},
	{name: "AUTH-003", role: Server, does: "proves itself only behind the client's proof"},
	{name: "AUTH-004", role: Client, does: "takes every proof of a server"},
	{name: "AUTH-004-word", req: "AUTH-004", role: Client, does: "says GOAWAY to a server whose proof is wrong"},
	{name: "AUTH-004-half", req: "AUTH-004", role: Client, does: "compares half of the server's proof"},
	{name: "AUTH-004-replayed", req: "AUTH-004", role: Client, does: "takes a proof that was right once"},
	{name: "AUTH-005", role: Server, does: "lets in whoever sends an AUTH"},
	{name: "AUTH-005-drops", req: "AUTH-005", role: Server, does: "drops what comes right behind the proof"},
	{name: "AUTH-005-half", req: "AUTH-005", role: Server, does: "compares half of the client's proof"},
	{name: "AUTH-005-reflected", req: "AUTH-005", role: Server, does: "takes its own proof from a client"},
	{name: "AUTH-005-replayed", req: "AUTH-005", role: Server, does: "takes a proof that was right once"},
	{name: "AUTH-006", role: Server, does: "denies an unknown key ID at once"},
	{name: "AUTH-006-secret", req: "AUTH-006", role: Server, does: "has a secret of zeros in the place of an unknown key's"},
	{name: "AUTH-006-slow", req: "AUTH-006", role: Server, does: "takes longer for a key ID that it does not have"},
	{name: "AUTH-007", role: engine.Both, does: "skips what comes before the proofs"},
	{name: "AUTH-007-alive", req: "AUTH-007", role: engine.Both, does: "sends a KeepAlive right behind its HELLO"},
	{name: "AUTH-009", role: engine.Both, does: "waits for ever for the handshake"},
	{name: "AUTH-009-early", req: "AUTH-009", role: engine.Both, does: "waits for the handshake for 2 s only"},
	{name: "AUTH-009-always", req: "AUTH-009", role: engine.Both, does: "ends a tunnel that is up after 10 s, too"},
	{name: "AUTH-010", role: engine.Both, does: "states binding 1 without TLS"},
	{name: "AUTH-010-tls", req: "AUTH-010", role: engine.Both, does: "states binding 0 under TLS"},
	{name: "AUTH-010-led", req: "AUTH-010", role: Client, does: "states binding 0 under TLS when its server has done so"},
	{name: "AUTH-013", role: engine.Both, does: "takes a tag auth of any size"},
	{name: "AUTH-014", role: engine.Both, does: "has the same nonce on every tunnel"},
	{name: "AUTH-015", role: engine.Both, does: "waits for the payload of a frame that is too long before the proofs"},
	{name: "AUTH-016", role: Server, does: "keeps any number of strangers"},
	{name: "AUTH-016-address", req: "AUTH-016", role: Server, does: "keeps any number of strangers of one address, up to the number of all"},
	{name: "AUTH-016-closed", req: "AUTH-016", role: Server, does: "closes the door while all seats are taken"},
	{name: "AUTH-016-kept", req: "AUTH-016", role: Server, does: "ends a stranger for another as soon as he has come"},
	{name: "AUTH-017", role: Server, does: "takes 256 KiB for each stranger"},
	{name: "AUTH-018", role: Server, does: "goes on with the tunnels of a key that was taken away"},
	{name: "AUTH-018-all", req: "AUTH-018", role: Server, does: "ends the tunnels of all keys when one is taken away"},
	{name: "AUTH-018-greeted", req: "AUTH-018", role: Server, does: "takes a proof by a key that was taken away since the HELLO"},
	{name: "AUTH-019", role: engine.Both, does: "goes on without auth when the HELLO has none"},
	{name: "AUTH-021", role: Server, does: "states whatever binding the client states"},
	{name: "AUTH-021-takes", req: "AUTH-021", role: Server, does: "takes the key though the binding is another"},
	{name: "AUTH-021-tls", req: "AUTH-021", role: Server, does: "takes binding 0 under TLS"},
	{name: "AUTH-021-second", req: "AUTH-021", role: Server, does: "names binding 2 to a client that has neither, though it has 1"},
	{name: "AUTH-022", role: Client, does: "ignores that the server's binding is another"},
	{name: "AUTH-024", role: Server, does: "tells a stranger why he is denied"},
	{name: "AUTH-025", role: engine.Both, does: "ignores an AUTH that answers nothing"},
	{name: "AUTH-027", role: Client, does: "states the same binding again, whatever its server has"},
	{name: "AWAY-013-greeted", req: "AWAY-013", role: Client, does: "leaves a drained tunnel when it has the HELLO of the next server"},
}

var tlsMutants = []entry{
	{name: "TLS-001", role: engine.Both, does: "offers and takes TLS 1.2, too"},
	{name: "TLS-001-plain", req: "TLS-001", role: Server, does: "takes tunnels without TLS, too"},
	{name: "TLS-002", role: Server, does: "takes clients with other protocols, and with none"},
	{name: "TLS-002", role: Client, does: "goes on with a server that chose no protocol"},
	{name: "TLS-004", role: Client, does: "takes any certificate"},
	{name: "TLS-004-name", req: "TLS-004", role: Client, does: "takes a certificate for whatever name"},
	{name: "TLS-004-expired", req: "TLS-004", role: Client, does: "takes an expired certificate"},
	{name: "TLS-004-pin", req: "TLS-004", role: Client, does: "takes any key where a pin is all that it was told"},
	{name: "TLS-004-plain", req: "TLS-004", role: Client, does: "goes on without TLS after a handshake that failed"},
	{name: "TLS-004-key", req: "TLS-004", role: Client, does: "takes any certificate of a server that proves anything"},
	{name: "TLS-005", role: Server, does: "asks for a client's certificate and serves who has none"},
	{name: "TLS-005-any", req: "TLS-005", role: Server, does: "takes any client's certificate"},
	{name: "TLS-006", role: engine.Both, does: "waits when the stream ends without close_notify"},
	{name: "TLS-008", role: Server, does: "refuses other protocols by another alert"},
	{name: "TLS-009", role: Server, does: "issues session tickets where it asks for certificates"},
	{name: "TLS-010", role: Server, does: "waits for ever for a TLS handshake"},
	{name: "TLS-010-seats", req: "TLS-010", role: Server, does: "keeps any number of tunnels in their TLS handshake"},
	{name: "TLS-010-address", req: "TLS-010", role: Server, does: "lets one address have all the tunnels in their TLS handshake"},
	{name: "TLS-010-kept", req: "TLS-010", role: Server, does: "ends a tunnel in its TLS handshake for another as soon as it has come"},
	{name: "TLS-011", role: Client, does: "dials no more after a TLS handshake that failed"},
}

var apiMutants = []entry{
	{name: "API-001", role: API, does: "answers create without use_tunnel"},
	{name: "API-002", role: API, does: "answers create two seconds before the port is bound"},
	{name: "API-003", role: API, does: "stores mappings only when it ends in order"},
	{name: "API-004", role: API, does: "keeps the row of a create that failed"},
	{name: "API-005", role: API, does: "replaces a mapping on a second create"},
	{name: "API-006", role: API, does: "maps any port"},
	{name: "API-007", role: API, does: "leaves the port of a removed mapping open"},
	{name: "API-008", role: API, does: "removes what is not there"},
	{name: "API-009", role: API, does: "counts one mapping too many"},
	{name: "API-010", role: API, does: "says that a client is connected, always"},
	{name: "API-010-shape", req: "API-010", role: API, does: "says yes where health has a boolean"},
	{name: "API-011", role: API, does: "refuses in plain text"},
	{name: "API-012", role: API, does: "does not name the field at fault"},
	{name: "API-013", role: API, does: "ignores unknown fields"},
	{name: "API-014", role: API, does: "takes any method"},
	{name: "API-015", role: API, does: "has no statistics"},
	{name: "API-016", role: API, does: "lists stored mappings after a restart, and does not serve them"},
}

// races says why a mutant of a SHOULD may be spared: every other one was killed once and has to be.
var races = map[string]string{
	"FRAME-010": "how large a frame is depends on what waits at that instant, and a busy machine serves one connection for long",
}

// Reasons says why a requirement has no mutant: an ID, or an ID and a role.
var Reasons = map[string]string{
	"FRAME-011":        "a SHOULD whose breach shows only after a minute; its case runs with --slow and is judged on the conforming peer",
	"FLOW-006":         "how much a side owes and holds is not visible on the wire; reference/session tests the bound",
	"CLOSE-013":        "a permission: there is nothing to break",
	"SEC-004/client":   "the memory for one payload, 1 MiB at most, is lost in what a process takes anyway; reference/session reads into buffers of its own",
	"ORDER-004/server": "nothing that a server does at the first octets of a frame makes its ID idle, so that a second decision would show",

	"AUTH-008": "how long a comparison takes is lost in what a network takes; reference/session compares by crypto/subtle",
	"AUTH-011": "how rights are given is each server's own affair; the reference tests its own",
	"AUTH-023": "no key that is wrong comes over the wire; reference/keys tests the vectors of kind key",
	"AUTH-026": "no way that the peer is started makes auth optional to it; reference/session and reference/server test it",

	"XID-006":   "it takes 2^32 IDs; reference/session tests it",
	"XOPEN-013": "which dials run is not visible on the wire; reference/session tests it",

	"LOSS-006": "how a client's waits grow shows only over minutes; reference/client tests it",

	"ALIVE-007": "whether a side itself read is not visible on the wire; reference/session tests it in fake time",
	"MULTI-001": "a permission: there is nothing to break",
	"TLS-003":   "the TLS library of the peer has no early data over TCP; reference/sock has no session tickets, and so none",
	"SEC-001":   "which policy a client has is not visible on the wire; SEC-002 has a mutant for the usual one",
	"SEC-003":   "how often a name was resolved is not visible on the wire; reference/client tests it",
}
