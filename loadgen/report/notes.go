package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/loadgen/record"
)

// once is the code of a row without repetitions.
const once = "once"

// annotate gives rows their verdicts and marks, and the sheet its notes in the order in which rows need them.
func (s *Sheet) annotate(r *record.Record) {
	for _, row := range s.Rows {
		note := func(code, text string) {
			at := slices.IndexFunc(s.Notes, func(n Note) bool { return n.code == code })
			if at < 0 {
				s.Notes, at = append(s.Notes, Note{superscript(len(s.Notes)), text, code}), len(s.Notes)
			}
			if !strings.Contains(row.Marks, s.Notes[at].Mark) {
				row.Marks += s.Notes[at].Mark
			}
		}
		for _, reason := range reasonsOf(r, row) {
			if row.Verdict != record.Invalid {
				row.Verdict = reason.Verdict
			}
			note(reason.Code+reason.Verdict, fmt.Sprintf("%s (`%s`): %s.", reason.Verdict, reason.Code, reason.Meaning()))
			row.details += reason.Verdict + ": " + reason.Detail + "\n"
		}
		if row.N == 1 && r.Scenario.Search == nil {
			note(once, fmt.Sprintf("one block of %.3g s: no interval says how sure the numbers are.", row.Of("measured").Median/1e9))
		}
	}
	for _, row := range s.Rows {
		marks := ""
		for _, n := range s.Notes { // in their order
			if strings.Contains(row.Marks, n.Mark) {
				marks += n.Mark
			}
		}
		row.Marks = marks
	}
}

// reasonsOf are what speaks against one row; what speaks against the whole run stands elsewhere.
func reasonsOf(r *record.Record, row *Row) (out []*record.Reason) {
	if r.Validity == nil {
		return nil
	}
	for i := range r.Validity.Reasons {
		if v := &r.Validity.Reasons[i]; v.Verdict != record.Note && v.Cell == row.name && v.Route == row.Route && (v.Group == "" || v.Group == row.load) {
			out = append(out, v)
		}
	}
	return out
}

// marked is a row's route, its verdict, and the marks of its notes.
func (r *Row) marked() string {
	switch {
	case r.Verdict != "":
		return r.Route.String() + " – " + r.Verdict + r.Marks
	case r.Marks != "":
		return r.Route.String() + " " + r.Marks
	}
	return r.Route.String()
}

// notesOf are those that some rows carry.
func (s *Sheet) notesOf(rows []*Row) (out []Note) {
	for _, n := range s.Notes {
		if slices.ContainsFunc(rows, func(row *Row) bool { return strings.Contains(row.Marks, n.Mark) }) {
			out = append(out, n)
		}
	}
	return out
}

// letters are the marks; there are fewer codes than that.
var letters = []rune("ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ")

// superscript is the mark of the n-th note, from 0.
func superscript(n int) string { return string(letters[n%len(letters)]) }
