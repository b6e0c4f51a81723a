package cases

import . "github.com/adit-tunnel/adit/conformance/engine"

// s19 proves section 19 as far as a Core peer goes.
var s19 = []Case{
	{
		ID: "EXT-001", Role: Both, Title: "no extension frame that was not agreed to, in a whole session",
		Run: session,
	},
}
