// Package trust is how the ends of an encrypted tunnel know each other: certificates, keys and authorities in PEM files,
// and pins. It makes the TLS configuration of either role (TLS-001 to TLS-005).
//
// [NewServer] and [NewClient] read the files, and refuse what cannot work with an [Error] that says which of them it is and
// the remedy. A handshake looks whether they have changed since: a certificate is renewed without a restart.
//
//	server.go  Server: its certificate, and whose certificates clients have to show
//	client.go  Client: by which of ca, pin and key it knows the server, and its own certificate
//	made.go    the certificate of a server that has keys, and no files
//	pin.go     Pin: the digest of a public key
//	files.go   reading the files, and again when they have changed
package trust
