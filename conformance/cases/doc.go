// Package cases holds the conformance cases as plain values, one file for
// each section of PROTOCOL.md that has requirements, s03_tunnel.go to
// s32_bind.go (several for a long one), ext.go with what those of the Extended profile share, and api.go for Appendix B. cells.go makes a case from each
// cell of the state tables, celltalk.go says how its dialogue goes, authcells.go plays those of section 30. registry.go
// has them all, with one from each golden dialogue; select.go finds those that a
// pattern names; set.go knows which score; exceptions.go says why a requirement
// has no case.
//
// # How to add a case
//
// Append a value to the section's slice. Run gets an *engine.T and reads like
// the clause. Each expectation is an English sentence; the first one that
// turns out wrong ends the case and is charged to the case's ID:
//
//	{
//		ID: "CLOSE-007", Role: Both, Title: "Close for an ID that was never used",
//		Run: func(t *T) {
//			n := t.Tunnel()
//			id := n.UnusedID()
//			n.Send(Close(id))
//			n.ExpectNone("Close for an idle ID gets no answer", AnythingFor(id))
//		},
//	},
//
// Rules:
//   - Role Both whenever the clause binds both: T.Tunnel, T.Open, T.Requested,
//     Conn and Socket mean the same for either role.
//   - Absence is proven with a barrier (ExpectNone, ExpectOpen), never by waiting.
//   - A deadline is Within(a bound of engine/limits.go); "exactly" in section 17
//     is Exactly or Between. Set Wait when a case waits 4 s or longer by design;
//     more than 60 s runs with --slow only.
//   - Do the valid neighbour of a bad input first, on the same tunnel, so that
//     a subject that drops everything earns nothing.
//   - Ending the tunnel passes only where the text says tunnel error: use ExpectClosed there alone.
//   - A case of the profile ext begins with T.Extended or T.Greet, and does not assume a window: Conn.Send waits for
//     credit. An OPEN beyond what the client takes ends it as not applicable: one on purpose is for Tunnel.Overbook. That nothing more comes for an ID that is gone is Tunnel.Quiet. A requirement of Core that such a case shows has OnExtended.
//   - A case With WithKey meets a subject that asks for a key: T.Extended and T.Greet prove it. T.Key, T.Offering and
//     Tunnel.Proof are for one that goes wrong in between; a client that finds a proof wrong stays away for 30 s, so the twin comes first.
//   - A case With WithKey and WithPublish meets a subject that has the option bind: a server gives the ports T.BindPort, a client asks for two.
//     Tunnels of one client have one Greeting.Instance; whose they are says the key of T.GreetAs.
//   - Bare is for a case of the profile ext whose handshake is not T.Extended's or Tunnel.Meet's: it goes without a key.
//   - What has to come in numbers that no record should hold is Tunnel.Flood.
//   - Unknown types are 0x06 to 0x0F and 0x40 to 0xFF. Either form of
//     ConnectRequest from a server is right. Types 0x10 to 0x3F are EXT-001's alone.
//   - A requirement that holds in every case (no Data after its own Close, …) is
//     also judged (package judge), charged to its own ID whatever the case.
//   - Each case runs again with its octets cut in other ways, and what the subject sends
//     has to be the same (engine/outline.go). Where time or a race decides what a legal
//     subject sends, Races says how.
//   - Also names other requirements that the case is bound to show when they are broken.
package cases
