package template_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/internal/provision/declare"
)

// operations are the SDK's calls by the action that they need.
// Source: Service Authorization Reference; for S3, the "Permissions" of each operation.
func operations() map[string][]string {
	return map[string][]string{
		"s3:GetObject":                        {"GetObject", "HeadObject", "CopyObject", "PresignGetObject"},
		"s3:PutObject":                        {"PutObject", "CopyObject", "PresignPostObject", "UploadPart"},
		"s3:DeleteObject":                     {"DeleteObject", "DeleteObjects"},
		"s3:ListBucket":                       {"ListObjectsV2", "HeadBucket", "GetObject", "HeadObject"},
		"s3:GetObjectTagging":                 {"CopyObject"},
		"s3:PutObjectTagging":                 {"CopyObject"},
		"s3:GetBucketPublicAccessBlock":       {"GetPublicAccessBlock"},
		"s3:GetEncryptionConfiguration":       {"GetBucketEncryption"},
		"s3:GetBucketCORS":                    {"GetBucketCors"},
		"s3:GetLifecycleConfiguration":        {"GetBucketLifecycleConfiguration"},
		"s3:GetBucketTagging":                 {"GetBucketTagging"},
		"s3:GetBucketPolicy":                  {"GetBucketPolicy"},
		"s3:GetBucketNotification":            {"GetBucketNotificationConfiguration"},
		"s3:GetBucketVersioning":              {"GetBucketVersioning"},
		"s3:GetBucketObjectLockConfiguration": {"GetObjectLockConfiguration"},
		"sqs:ListDeadLetterSourceQueues":      {"ListDeadLetterSourceQueues", "NewListDeadLetterSourceQueuesPaginator"},
		"sqs:GetQueueUrl":                     {"GetQueueUrl"},
		"sqs:GetQueueAttributes":              {"GetQueueAttributes"},
		"sqs:SetQueueAttributes":              {"SetQueueAttributes"},
		"sqs:ReceiveMessage":                  {"ReceiveMessage"},
		"sqs:DeleteMessage":                   {"DeleteMessage", "DeleteMessageBatch"},
		"sqs:ChangeMessageVisibility":         {"ChangeMessageVisibility", "ChangeMessageVisibilityBatch"},
		"sqs:SendMessage":                     {"SendMessage", "SendMessageBatch"},
		"sqs:PurgeQueue":                      {"PurgeQueue"},
		"sqs:CreateQueue":                     {"CreateQueue"},
		"sqs:DeleteQueue":                     {"DeleteQueue"},
		"sqs:TagQueue":                        {"TagQueue", "CreateQueue"},
		"sqs:ListQueueTags":                   {"ListQueueTags"},
		"sqs:ListQueues":                      {"ListQueues", "NewListQueuesPaginator"},
		"sns:Publish":                         {"Publish"},
		"sns:Subscribe":                       {"Subscribe"},
		"sns:Unsubscribe":                     {"Unsubscribe"},
		"sns:GetSubscriptionAttributes":       {"GetSubscriptionAttributes"},
		"sns:ListSubscriptionsByTopic":        {"ListSubscriptionsByTopic", "NewListSubscriptionsByTopicPaginator"},
		"sns:GetTopicAttributes":              {"GetTopicAttributes"},
		"sns:ListTagsForResource":             {"ListTagsForResource"},
	}
}

// administrators are calls that no role makes: who provisions has an administrator's
// permissions. sns:ListTopics is a dry run's where there is nothing yet.
func administrators() []string {
	return []string{
		"CreateBucket", "DeleteBucket", "PutBucketCors", "PutBucketEncryption", "PutBucketLifecycleConfiguration", "PutBucketNotificationConfiguration",
		"PutBucketPolicy", "DeleteBucketPolicy", "PutBucketTagging", "PutPublicAccessBlock",
		"ListObjectVersions", "ListDeadLetterSourceQueues",
		"CreateTopic", "DeleteTopic", "SetTopicAttributes", "TagResource", "ListTopics", "NewListTopicsPaginator",
		"GetCallerIdentity", // needs no permission "NewListDeadLetterSourceQueuesPaginator",
	}
}

// callers finds the functions that call the SDK, by operation: "store.PutOutput".
func callers(t *testing.T) map[string][]string {
	t.Helper()
	known := map[string]bool{}
	for _, ops := range operations() {
		for _, op := range ops {
			known[op] = true
		}
	}
	for _, op := range administrators() {
		known[op] = true
	}
	found := map[string][]string{}
	for _, dir := range []string{"app", "audit", "backfill", "backlog", "deadletter", "doctor", "presence", "provision", "queue", "store", "web", "worker"} {
		files, err := filepath.Glob("../../" + dir + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", dir, len(files), err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range f.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if !ok {
					continue
				}
				for _, op := range calls(fn) {
					if !known[op] {
						t.Errorf("%s calls %s, of which no action is known: add it to a role, and here", file, op)
					}
					if name := f.Name.Name + "." + fn.Name.Name; !slices.Contains(found[op], name) {
						found[op] = append(found[op], name)
					}
				}
			}
		}
	}
	return found
}

// calls are the SDK operations that a function calls: methods and paginators that are
// given an input named after them.
func calls(fn *ast.FuncDecl) (ops []string) {
	ast.Inspect(fn, func(n ast.Node) bool {
		c, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := c.Fun.(*ast.SelectorExpr)
		if !ok || len(c.Args) < 2 {
			return true
		}
		name := sel.Sel.Name
		base := strings.TrimSuffix(strings.TrimPrefix(name, "New"), "Paginator")
		for _, arg := range c.Args {
			if u, ok := arg.(*ast.UnaryExpr); ok {
				if lit, ok := u.X.(*ast.CompositeLit); ok {
					if typ, ok := lit.Type.(*ast.SelectorExpr); ok && strings.HasSuffix(typ.Sel.Name, "Input") && (typ.Sel.Name == base+"Input" || strings.HasPrefix(name, "Presign")) {
						ops = append(ops, name)
					}
				}
			}
			// An input that was made before: no other method has such a name.
			if id, ok := arg.(*ast.Ident); ok && id.Name == "in" && slices.Contains([]string{"GetObject", "PutObject", "ListObjectsV2", "PresignGetObject", "CreateBucket"}, name) {
				ops = append(ops, name)
			}
		}
		return true
	})
	return ops
}

const (
	docFile  = "../../../docs/aws.md"
	docBegin = "<!-- the tables from here on are generated: TINTYPE_UPDATE=1 go test ./internal/provision/template -->\n"
	docEnd   = "<!-- end of what is generated -->\n"
)

// TestActionsAreCalls: each action that a role may do is one that the code calls, and what
// the documentation says of it is so.
func TestActionsAreCalls(t *testing.T) {
	s := names()
	s.Region, s.Account = "REGION", "ACCOUNT"
	found := callers(t)
	granted := map[string][]string{} // by action: the roles
	var b bytes.Buffer
	b.WriteString("\n")
	for _, r := range declare.Roles(s) {
		fmt.Fprintf(&b, "**%s**\n\n| statement | actions | resources | only if |\n|---|---|---|---|\n", strings.ToUpper(r.Title[:1])+r.Title[1:])
		for _, st := range r.Policy.Statement {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", st.Sid, code(st.Action), code(st.Resource), conditions(st.Condition))
			for _, a := range st.Action {
				if !slices.Contains(granted[a], r.Name) {
					granted[a] = append(granted[a], r.Name)
				}
			}
		}
		b.WriteString("\n")
	}
	b.WriteString("| action | who | called by |\n|---|---|---|\n")
	for _, action := range slices.Sorted(maps.Keys(granted)) {
		var by []string
		for _, op := range operations()[action] {
			for _, fn := range found[op] {
				if !slices.Contains(by, fn) {
					by = append(by, fn)
				}
			}
		}
		if len(by) == 0 {
			t.Errorf("%s is granted, and nothing calls it", action)
		}
		slices.Sort(by)
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", action, strings.Join(granted[action], ", "), code(by))
	}
	for action := range operations() {
		if granted[action] == nil {
			t.Errorf("%s is called, and nobody may do it", action)
		}
	}
	b.WriteString("\n")

	doc, err := os.ReadFile(docFile)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(doc), docBegin)
	_, tail, ok2 := strings.Cut(rest, docEnd)
	if !ok || !ok2 {
		t.Fatalf("%s has not the marks between which the tables are", docFile)
	}
	want := head + docBegin + b.String() + docEnd + tail
	if os.Getenv("TINTYPE_UPDATE") != "" {
		if err := os.WriteFile(docFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(doc) != want {
		t.Errorf("%s is not what is declared: TINTYPE_UPDATE=1 go test ./internal/provision/template writes it", docFile)
	}
}

func code(list []string) string {
	return "`" + strings.Join(list, "`, `") + "`"
}

func conditions(c declare.Conditions) string {
	var out []string
	for _, op := range slices.Sorted(maps.Keys(c)) {
		for _, key := range slices.Sorted(maps.Keys(c[op])) {
			out = append(out, fmt.Sprintf("`%s` %s %s", key, op, code(c[op][key])))
		}
	}
	return strings.Join(out, "; ")
}
