package engine

// A life is what the record tells about one connection ID on one tunnel,
// from its ConnectRequest until the ID is free again. Frames cross on the
// wire: the record has what the suite sent earlier than the subject read it,
// so a life only says what both sides must agree on.
type life struct {
	opened   bool // a success was seen
	failed   bool // a failure was seen, or a Close in its place: the ID is free
	answers  int  // ConnectResponses seen
	mine     int  // Closes by the suite
	theirs   int  // Closes by the subject
	spoke    bool // the subject sent Data: it knew that the connection was open
	licence  int  // Closes that the subject may send beyond its one
	unending bool // any number of further Closes is owed or allowed (DATA-004)
}

// over reports whether the ID is free, as far as the record can tell.
func (l *life) over() bool {
	return l.failed || l.mine > 0 && l.theirs > 0
}

// suite notes a frame that the suite sent about the ID.
func (l *life) suite(role Role, f Frame) {
	switch f.Type {
	case TypeConnectResponse: // role is Server
		l.answers++
		switch {
		case f.Status() != Success:
			l.failed = l.failed || !l.opened
		case l.theirs > 0: // OPEN-025: one more Close for an abandoned ID
			l.licence++
		default:
			l.opened = l.opened || !l.failed
		}
	case TypeData:
		// DATA-004: the subject may see the ID as idle once the suite's last word is out.
		l.unending = l.unending || l.mine > 0 || l.failed
	case TypeClose:
		l.mine++
		if role == Server && !l.opened && l.theirs == 0 { // OPEN-015
			l.failed = true
		}
	}
}

// A book holds the lives of all IDs of all tunnels of a case.
type book struct {
	role  Role
	lives map[key]*life
	stray map[key]*life // IDs that nobody requested
	spent map[int]bool  // tunnels on which the suite asked for a tunnel error: no more judging by ID
}

// key is an ID on a tunnel.
type key struct {
	tunnel int
	id     uint32
}

func newBook(role Role) *book {
	return &book{role, map[key]*life{}, map[key]*life{}, map[int]bool{}}
}

// at is the life of the ID, or that of a stray ID.
func (b *book) at(k key) (l *life, known bool) {
	if l = b.lives[k]; l != nil {
		return l, true
	}
	if l = b.stray[k]; l == nil {
		l = new(life)
		b.stray[k] = l
	}
	return l, false
}

// sent enters a frame that the suite sent.
func (b *book) sent(k key, f Frame) {
	wrongWay := f.Type == TypeConnectRequest && b.role != Client || f.Type == TypeConnectResponse && b.role == Client
	switch {
	case f.Malformed() != nil, wrongWay:
		b.spent[k.tunnel] = true
	case f.Type == TypeConnectRequest:
		if l := b.lives[k]; l != nil && !l.over() {
			b.spent[k.tunnel] = true // ID-004
		}
		b.lives[k] = new(life)
	case f.Type.hasID():
		l, known := b.at(k)
		if known {
			l.suite(b.role, f)
		} else if f.Type == TypeData {
			l.unending = true
		} else if f.Type == TypeClose {
			l.mine++
		}
	}
}
