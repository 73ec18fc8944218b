//! Answers that servers give, and such that they should not.

use farwatch_guest::dialogue::Wrong;

use super::*;

/// What a server has said.
struct Said<'a>(&'a str);

impl Source for Said<'_> {
    fn line(&mut self) -> farwatch_guest::dialogue::Said<String> {
        let (line, rest) = self.0.split_once('\n').ok_or_else(|| down("answer-incomplete", "no line"))?;
        self.0 = rest;
        Ok(line.to_owned())
    }

    fn pass_over(&mut self, count: u32) -> farwatch_guest::dialogue::Said<()> {
        self.0 = self.0.get(count as usize..).ok_or_else(|| down("answer-incomplete", "no literal"))?;
        Ok(())
    }
}

fn read(said: &str) -> Result<Answer, String> {
    Answer::read("f1", &mut Said(said)).map_err(|wrong| match wrong {
        Wrong::Found(_, code, message) => format!("{code}: {message}"),
        other => format!("{other:?}"),
    })
}

#[test]
fn counts_are_read() {
    let status = read("* STATUS INBOX (MESSAGES 2 UNSEEN 1)\nf1 OK done\n").unwrap();
    assert_eq!((status.status("MESSAGES"), status.status("unseen"), status.status("RECENT")), (Some(2), Some(1), None));
    for (said, unseen) in [
        ("* STATUS \"a (UNSEEN 7)\" (MESSAGES 2 UNSEEN 3)\n", Some(3)),
        ("* STATUS {9}\n(UNSEEN 7 (UNSEEN 4)\n", Some(4)),
        ("* STATUS INBOX (UNSEEN x)\n", None),
        ("* STATUS INBOX (UNSEEN)\n", None),
        ("* STATUS INBOX (UNSEEN 4294967296)\n", None),
        ("* STATUS INBOX\n", None),
        ("* ä\n", None),
        ("", None),
    ] {
        assert_eq!(read(&format!("{said}f1 OK done\n")).unwrap().status("UNSEEN"), unseen, "{said}");
    }
    let examined =
        read("* FLAGS (\\Seen)\n* 2 EXISTS\n* 0 RECENT\n* OK [UNSEEN 1] x\nf1 OK [READ-ONLY] done\n").unwrap();
    assert_eq!((examined.number_before("EXISTS"), examined.number_before("EXPUNGE")), (Some(2), None));
    assert!(examined.ending.is_one_of(&["read-only"]));
}

#[test]
fn capabilities_come_as_data_or_in_a_code() {
    let wanted = Some(vec!["IMAP4REV1".to_owned(), "AUTH=PLAIN".to_owned()]);
    assert_eq!(read("* CAPABILITY IMAP4rev1 AUTH=PLAIN\nf1 OK done\n").unwrap().capabilities(), wanted);
    assert_eq!(read("f1 OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] done\n").unwrap().capabilities(), wanted);
    assert_eq!(read("f1 OK [READ-ONLY] done\n").unwrap().capabilities(), None);
}

#[test]
fn how_it_went_is_read() {
    for (said, word, code, text) in [
        ("OK", Word::Ok, "", ""),
        ("ok [ALERT] restart at noon", Word::Ok, "ALERT", "restart at noon"),
        ("NO [AUTHENTICATIONFAILED] no", Word::No, "AUTHENTICATIONFAILED", "no"),
        ("BAD [ unclosed", Word::Bad, "", "[ unclosed"),
        ("PREAUTH hello", Word::Preauth, "", "hello"),
    ] {
        let read = Condition::read(said).unwrap();
        assert_eq!((read.word, read.code.as_str(), read.text.as_str(), read.shown.as_str()), (word, code, text, said));
    }
    assert_eq!(Condition::read("OKAY then"), None);
}

#[test]
fn what_is_no_answer_is_told() {
    for (said, wrong) in [
        ("", "answer-incomplete"),
        ("* 2 EXISTS\n", "answer-incomplete"),
        ("* LIST {100}\nshort\n", "answer-incomplete"),
        ("f2 OK another's\n", "protocol-error"),
        ("f1\n", "protocol-error"),
        ("f11 OK\n", "protocol-error"),
        ("+ go on\n", "protocol-error"),
        ("* BYE too many users\n", "service-unavailable: it hangs up: `BYE too many users`"),
        ("* LIST {4294967295}\n", "protocol-error: an answer has more than 65536 bytes"),
    ] {
        let found = read(said).expect_err(said);
        assert!(found.starts_with(wrong), "{said}: {found}");
    }
    let endless = "* \n".repeat(ANSWER_MAX);
    assert!(read(&endless).is_err_and(|found| found.starts_with("protocol-error")));
    let nothing = "{0}\n".repeat(ANSWER_MAX);
    assert!(read(&nothing).is_err_and(|found| found.starts_with("protocol-error")));
}
