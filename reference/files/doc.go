// Package files is for files that people change while a program runs, and that have secrets.
//
// Use: [ReadPrivate], [AddLine] and [RemoveLines] for text that nobody but its owner may read, [Watch] for what is made of files and made
// again when they have changed.
//
// Files:
//
//	private.go  text that is its owner's alone, and lines that are added to it and taken out
//	watched.go  Watched: what files hold, read again when they look different
package files
