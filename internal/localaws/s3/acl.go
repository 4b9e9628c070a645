package s3

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/versity/versitygw/s3err"
)

// Groups of grantees that S3 knows.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html
const (
	groupAll           = "http://acs.amazonaws.com/groups/global/AllUsers"
	groupAuthenticated = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
	groupLogs          = "http://acs.amazonaws.com/groups/s3/LogDelivery"
)

// maxGrants is how many grants one ACL takes.
const maxGrants = 100

// grant lets a user, by canonical id, or a group, by URI, do something.
type grant struct {
	Permission string `json:"p"`
	ID         string `json:"id,omitempty"`
	URI        string `json:"uri,omitempty"`
}

// accessList is an ACL. The owner is always the account.
type accessList struct {
	Grants []grant `json:"grants"`
}

// allows says whether the ACL gives everybody the permission.
func (a accessList) allows(permission string) bool {
	for _, g := range a.Grants {
		if g.URI == groupAll && (g.Permission == permission || g.Permission == "FULL_CONTROL") {
			return true
		}
	}
	return false
}

// public says whether the ACL gives anything to everybody, or to everybody who has an
// account.
func (a accessList) public() bool {
	for _, g := range a.Grants {
		if g.URI == groupAll || g.URI == groupAuthenticated {
			return true
		}
	}
	return false
}

// canonicalID is the account's canonical user id: 64 hexadecimal digits. That of the
// account which local endpoints have by default is the one they all show.
func canonicalID(account string) string {
	if account == "000000000000" {
		return "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a"
	}
	sum := sha256.Sum256([]byte("canonical user of " + account))
	return hex.EncodeToString(sum[:])
}

// principalOf is how events name the account that owns a bucket: an id of S3's own.
func principalOf(account string) string {
	sum := sha256.Sum256([]byte("principal of " + account))
	return "A" + base32.StdEncoding.EncodeToString(sum[:])[:13]
}

// decodeACL reads column acl. Stores of an earlier version have versitygw's form there.
func decodeACL(doc []byte) (accessList, error) {
	var old struct {
		accessList
		Grantees []struct{ Permission, Access, Type string }
	}
	if len(doc) == 0 {
		return accessList{}, nil
	}
	if err := json.Unmarshal(doc, &old); err != nil {
		return accessList{}, fmt.Errorf("s3: stored ACL: %w", err)
	}
	for _, g := range old.Grantees {
		if g.Access == "all-users" {
			old.Grants = append(old.Grants, grant{Permission: g.Permission, URI: groupAll})
		}
	}
	return old.accessList, nil
}

func (a accessList) encode() []byte {
	b, _ := json.Marshal(a) // strings always marshal
	return b
}

// cannedACL is what a canned ACL stands for.
func cannedACL(name, owner string) (accessList, bool) {
	full := grant{Permission: "FULL_CONTROL", ID: owner}
	list := func(more ...grant) (accessList, bool) { return accessList{append([]grant{full}, more...)}, true }
	switch name {
	case "private", "bucket-owner-read", "bucket-owner-full-control", "aws-exec-read":
		return list()
	case "public-read":
		return list(grant{Permission: "READ", URI: groupAll})
	case "public-read-write":
		return list(grant{Permission: "READ", URI: groupAll}, grant{Permission: "WRITE", URI: groupAll})
	case "authenticated-read":
		return list(grant{Permission: "READ", URI: groupAuthenticated})
	case "log-delivery-write":
		return list(grant{Permission: "WRITE", URI: groupLogs}, grant{Permission: "READ_ACP", URI: groupLogs})
	}
	return accessList{}, false
}

// isOwnersOnly says that an ACL gives nothing to anybody but the owner: the one that
// may be named even where ACLs are off.
func (a accessList) ownersOnly(owner string) bool {
	return len(a.Grants) == 1 && a.Grants[0] == grant{Permission: "FULL_CONTROL", ID: owner}
}

// grantHeaders are the headers that grant, and what.
func grantHeaders() [][2]string {
	return [][2]string{
		{"x-amz-grant-full-control", "FULL_CONTROL"}, {"x-amz-grant-read", "READ"}, {"x-amz-grant-read-acp", "READ_ACP"},
		{"x-amz-grant-write", "WRITE"}, {"x-amz-grant-write-acp", "WRITE_ACP"},
	}
}

// aclOfHeaders is the ACL that a request's headers ask for; ok is false where they
// ask for none. get reads a header.
func aclOfHeaders(get func(string) string, owner string) (a accessList, ok bool, err error) {
	granted := false
	for _, h := range grantHeaders() {
		text := get(h[0])
		if text == "" {
			continue
		}
		granted = true
		for part := range strings.SplitSeq(text, ",") {
			kind, value, found := strings.Cut(strings.TrimSpace(part), "=")
			value = strings.Trim(value, `"`)
			g := grant{Permission: h[1]}
			switch {
			case found && kind == "id":
				if value != owner {
					return a, false, badArgument("id", value, "Invalid id")
				}
				g.ID = value
			case found && kind == "uri":
				if !knownGroup(value) {
					return a, false, badArgument("uri", value, "Invalid group uri")
				}
				g.URI = value
			case found && kind == "emailAddress":
				return a, false, unresolvableEmail(value)
			default:
				return a, false, badArgument(h[0], part, "Argument format not recognized")
			}
			a.Grants = append(a.Grants, g)
		}
	}
	canned := get("x-amz-acl")
	switch {
	case canned != "" && granted:
		return a, false, invalidRequest("Specifying both Canned ACLs and Header Grants is not allowed")
	case canned != "":
		if a, ok = cannedACL(canned, owner); !ok {
			return a, false, badArgument("x-amz-acl", canned, "")
		}
		return a, true, nil
	}
	return a, granted, nil
}

func knownGroup(uri string) bool {
	return uri == groupAll || uri == groupAuthenticated || uri == groupLogs
}

func unresolvableEmail(address string) error {
	return failure(http.StatusBadRequest, "UnresolvableGrantByEmailAddress", "The e-mail address you provided does not match any account on record.", "EmailAddress", address)
}

func aclShape() *shape {
	grantee := tree(may("ID", free()), may("DisplayName", free()), may("EmailAddress", free()), may("URI", free()))
	return tree(
		must("Owner", tree(must("ID", free()), may("DisplayName", free()))),
		must("AccessControlList", tree(any0("Grant", tree(must("Grantee", grantee), must("Permission", oneOf("FULL_CONTROL", "READ", "WRITE", "READ_ACP", "WRITE_ACP")))))),
	)
}

// parseACL reads an AccessControlPolicy.
func parseACL(body []byte, owner string) (accessList, error) {
	malformed := s3err.GetAPIError(s3err.ErrMalformedACL)
	a := accessList{Grants: []grant{}} // to nobody, not even the owner, if there are none
	doc, err := parseElement(body)
	if err != nil || doc.name != "AccessControlPolicy" || !aclShape().fits(doc) {
		return a, malformed
	}
	if id := doc.value("Owner", "ID"); id != owner {
		return a, badArgument("CanonicalUser/ID", id, "Invalid id")
	}
	grants := doc.child("AccessControlList").all("Grant")
	if len(grants) > maxGrants {
		return a, malformed
	}
	for _, e := range grants {
		g := grant{Permission: e.value("Permission")}
		who := e.child("Grantee")
		switch who.kind {
		case "CanonicalUser":
			if g.ID = who.value("ID"); g.ID != owner {
				return a, badArgument("CanonicalUser/ID", g.ID, "Invalid id")
			}
		case "Group":
			if g.URI = who.value("URI"); !knownGroup(g.URI) {
				return a, badArgument("Group/URI", g.URI, "Invalid group uri")
			}
		case "AmazonCustomerByEmail":
			return a, unresolvableEmail(who.value("EmailAddress"))
		default:
			return a, malformed
		}
		a.Grants = append(a.Grants, g)
	}
	return a, nil
}

// document is the answer of GetBucketAcl and GetObjectAcl.
func (a accessList) document(owner string) []byte {
	list := branch("AccessControlList")
	for _, g := range a.Grants {
		who := branch("Grantee", leaf("ID", g.ID))
		who.kind = "CanonicalUser"
		if g.URI != "" {
			who = branch("Grantee", leaf("URI", g.URI))
			who.kind = "Group"
		}
		list.kids = append(list.kids, branch("Grant", who, leaf("Permission", g.Permission)))
	}
	return branch("AccessControlPolicy", branch("Owner", leaf("ID", owner)), list).encode()
}
