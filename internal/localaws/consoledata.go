package localaws

import "github.com/tintype/tintype/internal/localaws/console"

func (s *Server) consoleOptions() console.Options {
	o := s.opts
	return console.Options{
		Endpoint: o.BaseURL, Account: o.Account, Region: o.Region, AccessKey: o.AccessKey,
		S3: s.s3, SQS: s.sqs, SNS: s.sns, Mail: s.mail, Metrics: s.told.handler(s.log), Logger: s.log,
	}
}
