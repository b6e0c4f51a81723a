// Package model checks the state tables of PROTOCOL.md as they are printed: two sides that do what the tables say, joined by two lines
// on which frames wait as long as they like, with every local event at every time. It visits every state that can come about.
//
// What it asks: no side meets a tunnel error, a cell that cannot occur, or a frame of another connection; no octet is lost; whatever
// came about, the frames that are under way leave both sides with the same idea of the connection; and from there both local sockets
// can still end in order. Time is a free event: a timer may pass at any moment.
//
//	tables.go     the tables, ready to be interpreted
//	explore.go    breadth first, so that what is refuted is refuted by a shortest run
//	extended.go   one extended connection, with credit
//	handshake.go  how a tunnel becomes an extended one, or stays Core's
//	drain.go      two extended connections on a tunnel that ends by GOAWAY
//	core.go       one ID of Core, used three times
//	broken.go     tables with one cell changed, and the runs that refute them
//	subject.go    one side alone, seen from outside
//	follow.go     whether such a side can be the subject of a dialogue
//
// The rules that are no cell are written by hand: credit (WIN-001, WIN-002, WIN-005) and GOAWAY (section 28).
package model
