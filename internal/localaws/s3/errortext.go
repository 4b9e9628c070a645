package s3

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strings"

	"github.com/versity/versitygw/s3err"
)

// worded is an error in S3's own words, where the library's are other ones: some
// programs, and many tests, compare them.
type worded struct {
	s3err.S3Error
	was, is string
}

func (e worded) Unwrap() error { return e.S3Error }

// XMLBody is the document with the message replaced.
func (e worded) XMLBody(requestID, hostID string) []byte {
	return bytes.Replace(e.S3Error.XMLBody(requestID, hostID), message(e.was), message(e.is), 1)
}

func message(text string) []byte {
	b, _ := xml.Marshal(struct {
		XMLName xml.Name `xml:"Message"`
		Text    string   `xml:",chardata"`
	}{Text: text}) // text always marshals
	return b
}

// BaseError is the error with S3's words, which DeleteObjects tells of each key.
func (e worded) BaseError() s3err.APIError {
	b := e.S3Error.BaseError()
	b.Description = e.is
	return b
}

// wording is S3's message for each of the library's that differ.
var wording = map[string]string{
	"A header you provided implies functionality that is not implemented.": "A header you provided implies functionality that is not implemented",
	"Access Denied.": "Access Denied",
	"At least one of the pre-conditions you specified did not hold.": "At least one of the pre-conditions you specified did not hold",
	"Object Lock configuration does not exist for this bucket.":      "Object Lock configuration does not exist for this bucket",
	"Request has expired.":                        "Request has expired",
	"The Content-Md5 you specified is not valid.": "The Content-MD5 you specified was invalid.",
	"The TagSet does not exist.":                  "The TagSet does not exist",
	"The XML you provided was not well-formed or did not validate against our published schema.": "The XML you provided was not well-formed or did not validate against our published schema",
	"The bucket policy does not exist.":             "The bucket policy does not exist",
	"The bucket ownership controls were not found.": "The bucket ownership controls were not found",
	"The bucket you tried to delete is not empty.":  "The bucket you tried to delete is not empty",
	"The requested partnumber is not satisfiable.":  "The requested partnumber is not satisfiable",
	"The specified bucket does not exist.":          "The specified bucket does not exist",
	"The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.": "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
	"The specified object does not have a ObjectLock configuration.":                                                                 "The specified object does not have a ObjectLock configuration",
	"This request does not support content.":                                                                                         "This request does not support content",
	"We encountered an internal error, please try again.":                                                                            "We encountered an internal error. Please try again.",
	"Your proposed upload exceeds the maximum allowed object size.":                                                                  "Your proposed upload exceeds the maximum allowed size",
	"x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied.":                                          "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
	"Part number must be an integer between 1 and 10000, inclusive.":                                                                 "Part number must be an integer between 1 and 10000, inclusive",
	"Your key is too long.":                       "Your key is too long",
	"Your request was missing a required header.": "Your request was missing a required header",
}

// inWords puts a known error into S3's words.
func inWords(err s3err.S3Error) s3err.S3Error {
	if is, ok := wording[err.BaseError().Description]; ok {
		return worded{err, err.BaseError().Description, is}
	}
	was := err.BaseError().Description
	if strings.Contains(was, `the region "`) {
		return worded{err, was, strings.ReplaceAll(was, `"`, "'")}
	}
	if raw, ok := strings.CutPrefix(was, failedCondition); ok {
		return worded{err, was, failedCondition + spaced(raw)}
	}
	return err
}

// failedCondition begins the message about a condition of a form's policy.
const failedCondition = "Invalid according to Policy: Policy Condition failed: "

// spaced writes a condition as S3 tells it, however the client spaced it:
// ["eq", "$key", "a"]. What is no condition stays.
func spaced(condition string) string {
	var parts []json.RawMessage
	if json.Unmarshal([]byte(condition), &parts) != nil {
		return condition
	}
	told := make([]string, len(parts))
	for i, p := range parts {
		told[i] = `"` + strings.Trim(string(p), `"`) + `"`
	}
	return "[" + strings.Join(told, ", ") + "]"
}

// plainText writes quotes and ends of lines in an error's document as S3 does, which
// escapes only what it must: some programs look for them in the text.
func plainText(doc []byte) []byte {
	if !bytes.Contains(doc, []byte("&#")) {
		return doc
	}
	return []byte(unescape.Replace(string(doc)))
}

var unescape = strings.NewReplacer("&#34;", `"`, "&#39;", "'", "&#xA;", "\n")

func noSuchKey(key string) error {
	return noSuchKeyError{APIError: s3err.GetAPIError(s3err.ErrNoSuchKey), key: key}
}

func conditionFailed(name string) error {
	return failure(http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold", "Condition", name)
}

// unsupportedCondition refuses a condition that S3 does not look at for this operation.
func unsupportedCondition(header, more string) error {
	return failure(http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented", "Header", header, "additionalMessage", more)
}

// conflict answers a condition that held, and that something done since the upload
// began might have failed.
func conflict(condition, key string) error {
	return failure(http.StatusConflict, "ConditionalRequestConflict", "The conditional request cannot succeed due to a conflicting operation against this resource.", "Condition", condition, "Key", key)
}
