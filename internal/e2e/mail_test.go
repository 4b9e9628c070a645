package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/emersion/go-smtp"

	"github.com/tintype/tintype/internal/testimages"
)

// letter is a mail as the console's inbox lists it.
type letter struct {
	ID                int64
	To, Subject, Text string
	State             string
}

// inbox reads all mails to an address, with their texts.
func (s *system) inbox(to string) (out []letter, err error) {
	var list struct{ Mails []letter }
	if err := getJSON(s.console()+"/inbox.json", &list); err != nil {
		return nil, err
	}
	for _, l := range list.Mails {
		if l.To != to {
			continue
		}
		if err := getJSON(fmt.Sprintf("%s/inbox/%d.json", s.console(), l.ID), &l); err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

var confirmLink = regexp.MustCompile(`http://\S+Action=ConfirmSubscription\S+`)

// TestMail subscribes an address to both topics, confirms by the links in the mails, as a
// person does, and finds the mails about an upload and its completion in the inbox
// and, as real mail, on a real SMTP server.
func TestMail(t *testing.T) {
	t.Parallel()
	post := newPostOffice(t)
	s := newSystem(t)
	s.startUp("--smtp", post.addr, "--email", "ann@example.com")

	var confirmations []letter
	eventually(t, "two confirmation mails", func() (err error) {
		confirmations, err = s.inbox("ann@example.com")
		if err == nil && len(confirmations) != 2 {
			err = fmt.Errorf("%d mails", len(confirmations))
		}
		return err
	})
	// Nothing is sent before the owner has said yes.
	photo := writeFile(t, "first.jpg", testimages.Photo())
	if out, errs, code := tintype(t, s.env, "upload", photo, "--wait"); code != 0 {
		t.Fatalf("upload: %s%s", out, errs)
	}
	if l, err := s.inbox("ann@example.com"); err != nil || len(l) != 2 {
		t.Fatalf("before the confirmation there are %d mails, %v", len(l), err)
	}
	for _, c := range confirmations {
		link := confirmLink.FindString(c.Text)
		if link == "" {
			t.Fatalf("no link in the mail:\n%s", c.Text)
		}
		req, _ := http.NewRequest(http.MethodGet, link, nil)
		req.Header.Set("Accept", "text/html")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		page, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK || !strings.Contains(string(page), "onfirmed") {
			t.Fatalf("the link answers %d:\n%s", resp.StatusCode, page)
		}
	}

	photo = writeFile(t, "second \r\nBcc: evil@example.com.jpg", testimages.Photo())
	out, errs, code := tintype(t, s.env, "upload", photo, "--wait", "--json")
	if code != 0 {
		t.Fatalf("upload: %s%s", out, errs)
	}
	id := decodeLines(t, out)[0].ID
	var uploaded, completed letter
	eventually(t, "a mail about the upload and one about the completion", func() error {
		list, err := s.inbox("ann@example.com")
		for _, l := range list {
			switch {
			case strings.Contains(l.Text, "ObjectCreated:Put") && strings.Contains(l.Text, id):
				uploaded = l
			case strings.Contains(l.Text, "s3://tintype-results/") || strings.Contains(l.Text, "1600") || strings.Contains(l.Text, "full"):
				completed = l
			}
		}
		if err == nil && (uploaded.ID == 0 || completed.ID == 0) {
			err = fmt.Errorf("%d mails", len(list))
		}
		return err
	})
	if strings.Contains(completed.Text, `{"`) {
		t.Errorf("the completion mail is not written for people:\n%s", completed.Text)
	}
	if strings.Contains(completed.Subject, "\n") {
		t.Errorf("subject %q", completed.Subject)
	}
	eventually(t, "the same mails at the SMTP server", func() error {
		if n := post.count("ann@example.com"); n < 4 {
			return fmt.Errorf("%d mails", n)
		}
		return nil
	})
	if n := post.count("evil@example.com"); n != 0 {
		t.Errorf("a file name added a recipient")
	}

	// Who follows the unsubscribe link hears no more.
	subs, err := s.sns.ListSubscriptions(context.Background(), &sns.ListSubscriptionsInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, sub := range subs.Subscriptions {
		if aws.ToString(sub.Protocol) == "email" {
			if _, err := s.sns.Unsubscribe(context.Background(), &sns.UnsubscribeInput{SubscriptionArn: sub.SubscriptionArn}); err != nil {
				t.Error(err)
			}
		}
	}
}

// postOffice is a real SMTP server that keeps what it takes.
type postOffice struct {
	addr string
	mu   sync.Mutex
	got  map[string]int // recipient: mails
}

func newPostOffice(t *testing.T) *postOffice {
	t.Helper()
	p := &postOffice{got: map[string]int{}}
	srv := smtp.NewServer(p)
	srv.Domain = "localhost"
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.addr = ln.Addr().String()
	go srv.Serve(ln)
	t.Cleanup(func() { srv.Close() })
	return p
}

func (p *postOffice) count(to string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.got[to]
}

func (p *postOffice) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{office: p}, nil }

type session struct {
	office *postOffice
	to     []string
}

func (s *session) Mail(string, *smtp.MailOptions) error      { return nil }
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error { s.to = append(s.to, to); return nil }
func (s *session) Reset()                                    { s.to = nil }
func (s *session) Logout() error                             { return nil }

func (s *session) Data(r io.Reader) error {
	if _, err := io.ReadAll(r); err != nil {
		return err
	}
	s.office.mu.Lock()
	defer s.office.mu.Unlock()
	for _, to := range s.to {
		s.office.got[to]++
	}
	return nil
}
