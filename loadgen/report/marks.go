package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/loadgen/record"
)

// A footnote says what speaks against the numbers of the rows that carry its mark.
type footnote struct {
	mark, text, code string
	rows             int
}

func (f footnote) String() string { return f.mark + " " + f.text }

// once is the code of a row without repetitions.
const once = "once"

// annotate gives rows their verdicts and marks, and returns the footnotes in the order in which rows need them.
func annotate(r *record.Record, rows []Row) (out []footnote) {
	for i := range rows {
		row := &rows[i]
		note := func(code, text string) {
			at := slices.IndexFunc(out, func(f footnote) bool { return f.code == code })
			if at < 0 {
				out, at = append(out, footnote{superscript(len(out)), text, code, 0}), len(out)
			}
			if !strings.Contains(row.Marks, out[at].mark) {
				row.Marks += out[at].mark
				out[at].rows++
			}
		}
		for _, reason := range reasonsOf(r, row) {
			if row.Verdict != record.Invalid {
				row.Verdict = reason.Verdict
			}
			note(reason.Code+reason.Verdict, fmt.Sprintf("%s (`%s`): %s.", reason.Verdict, reason.Code, reason.Meaning()))
			row.Details += reason.Verdict + ": " + reason.Detail + "\n"
		}
		if row.Repetitions == 1 && r.Scenario.Search == nil {
			note(once, fmt.Sprintf("one block of %.3g s: no interval says how sure the numbers are.", row.Seconds))
		}
	}
	for i := range rows {
		marks := ""
		for _, f := range out { // in their order
			if strings.Contains(rows[i].Marks, f.mark) {
				marks += f.mark
			}
		}
		rows[i].Marks = marks
	}
	return out
}

// reasonsOf are what speaks against one row; what speaks against the whole run stands elsewhere.
func reasonsOf(r *record.Record, row *Row) (out []*record.Reason) {
	if r.Validity == nil {
		return nil
	}
	for i := range r.Validity.Reasons {
		if v := &r.Validity.Reasons[i]; v.Cell == row.Cell && v.Route == row.Route && (v.Group == "" || v.Group == row.load) {
			out = append(out, v)
		}
	}
	return out
}

// mark is what stands behind a row's route: its verdict, and its footnotes.
func (r Row) mark() string {
	if r.Verdict != "" {
		return " – " + r.Verdict + r.Marks
	}
	if r.Marks != "" {
		return " " + r.Marks
	}
	return ""
}

// footnotes are those that some of a record's rows carry.
func footnotes(r *record.Record, shown []Row) (out []footnote) {
	for _, f := range annotate(r, Rows(r)) {
		if slices.ContainsFunc(shown, func(row Row) bool { return strings.Contains(row.Marks, f.mark) }) {
			out = append(out, f)
		}
	}
	return out
}

// letters are the marks; there are fewer codes than that.
var letters = []rune("ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ")

// superscript is the mark of the n-th footnote, from 0.
func superscript(n int) string { return string(letters[n%len(letters)]) }
