// Package keys keeps the keys of tunnels (section 30 of PROTOCOL.md) in files: a server's, which are read again when their
// file has changed, and the one of a client.
//
// Use: [Open] a server's file as a [Ring], or read a client's with [Read]; [Add] makes a new key. A file has one key a line, as
// text, in a server's file with the rights of its clients behind it, and lines that begin with #. Nobody but its owner may read it. No error and no log line has a secret.
//
// Files:
//
//	ring.go  Ring: the keys of a server, and whether they have changed
//	rights.go  what the clients of a key may have
//	file.go  what a file of keys looks like: reading one, and adding a key to it
package keys
