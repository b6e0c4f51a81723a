// Package access says who may use the control API, and what for: API keys, JSON Web Tokens, and their roles. It knows no HTTP.
//
// Use: [Open] the files that security.api names as a [Guard], and ask it of each credential that comes. [AddKey] makes a key,
// [NewToken] a token. The server keeps no key: its file has a digest of each, for a key has 256 random bits and cannot be
// guessed. What changes in the files holds from the next question on. No error and no log line has a credential.
//
// Files:
//
//	access.go  Role, Who, Guard: which answer a credential gets
//	key.go     API keys: how they look, and the file of their digests
//	shown.go   the credential in a header of a request
//	token.go   JSON Web Tokens: how one is made, and checked by a secret or a public key
package access
