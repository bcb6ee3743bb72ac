//! The tables of the reference page, cell by cell.

use super::*;

const NOW: Timestamp = Timestamp::from_ticks(638_000_000_000_000_000);

fn id(letter: char) -> LeaseId {
    LeaseId::parse("x-ms-lease-id", &letter.to_string().repeat(32)).unwrap()
}

fn later(seconds: u64) -> Timestamp {
    NOW.saturating_add(Duration::from_secs(seconds))
}

/// available, leased(A), breaking(A), broken(A), expired(A)
fn states() -> [Lease; 5] {
    let leased = Lease::held(id('a'), LeaseDuration::Seconds(30), NOW);
    let before = Timestamp::from_ticks(NOW.ticks() - 10 * lazuli_base::TICKS_PER_SECOND * 60);
    [
        Lease::Available,
        leased.clone(),
        leased.break_lease(NOW, Some(10)).unwrap().0,
        Lease::Broken { id: id('a') },
        Lease::held(id('a'), LeaseDuration::Seconds(30), before),
    ]
}

type Row = [Result<&'static str, ErrorCode>; 5];

fn check(name: &str, row: Row, operation: impl Fn(&Lease) -> Result<Lease, Refusal>) {
    for (lease, expected) in states().iter().zip(row) {
        let got = operation(lease);
        let got = got.as_ref().map(|lease| lease.state(NOW)).map_err(Refusal::code);
        assert_eq!(got, expected, "{name} on {}", lease.state(NOW));
    }
}

#[test]
fn outcomes_of_lease_operations() {
    use ErrorCode as E;
    let leased = Ok("leased");
    let present = Err(E::LeaseAlreadyPresent);
    let mismatch = Err(E::LeaseIdMismatchWithLeaseOperation);
    let absent = Err(E::LeaseNotPresentWithLeaseOperation);
    let d = LeaseDuration::Seconds(20);
    check(
        "acquire A",
        [leased, leased, Err(E::LeaseIsBreakingAndCannotBeAcquired), leased, leased],
        |lease| lease.acquire(NOW, id('a'), d),
    );
    check("acquire B", [leased, present, present, leased, leased], |lease| {
        lease.acquire(NOW, id('b'), d)
    });
    let broken = Ok("broken");
    check("break 0", [absent, broken, broken, broken, broken], |lease| {
        lease.break_lease(NOW, Some(0)).map(|(lease, _)| lease)
    });
    check("break", [absent, Ok("breaking"), Ok("breaking"), broken, broken], |lease| {
        lease.break_lease(NOW, None).map(|(lease, _)| lease)
    });
    let changing = Err(E::LeaseIsBreakingAndCannotBeChanged);
    check("change A to B", [absent, leased, changing, absent, absent], |lease| {
        lease.change(NOW, &id('a'), id('b'))
    });
    check("change B to A", [absent, leased, changing, absent, absent], |lease| {
        lease.change(NOW, &id('b'), id('a'))
    });
    check("change B to C", [absent, mismatch, changing, absent, absent], |lease| {
        lease.change(NOW, &id('b'), id('c'))
    });
    let unrenewable = Err(E::LeaseIsBrokenAndCannotBeRenewed);
    check("renew A", [mismatch, leased, unrenewable, unrenewable, leased], |lease| {
        lease.renew(NOW, &id('a'), true)
    });
    check("renew A, modified", [mismatch, leased, unrenewable, unrenewable, mismatch], |lease| {
        lease.renew(NOW, &id('a'), false)
    });
    check("renew B", [mismatch; 5], |lease| lease.renew(NOW, &id('b'), true));
    let free = Ok("available");
    check("release A", [mismatch, free, free, free, free], |lease| lease.release(NOW, &id('a')));
    check("release B", [mismatch; 5], |lease| lease.release(NOW, &id('b')));
}

#[test]
fn outcomes_of_uses() {
    use ErrorCode as E;
    let kind = LeaseKind::Blob;
    let absent = Err(E::LeaseNotPresentWithBlobOperation);
    let mismatch = Err(E::LeaseIdMismatchWithBlobOperation);
    let (missing, lost) = (Err(E::LeaseIdMissing), Err(E::LeaseLost));
    check("write A", [absent, Ok("leased"), Ok("breaking"), lost, lost], |lease| {
        lease.check_write(NOW, Some(&id('a')), kind)
    });
    check("write B", [absent, mismatch, mismatch, mismatch, mismatch], |lease| {
        lease.check_write(NOW, Some(&id('b')), kind)
    });
    let free = Ok("available");
    check("write", [free, missing, missing, free, free], |lease| {
        lease.check_write(NOW, None, kind)
    });
    check("read", [free, Ok("leased"), Ok("breaking"), Ok("broken"), Ok("expired")], |lease| {
        lease.check_read(NOW, None, kind).map(|()| lease.clone())
    });
    check("read A", [absent, Ok("leased"), Ok("breaking"), lost, lost], |lease| {
        lease.check_read(NOW, Some(&id('a')), kind).map(|()| lease.clone())
    });
}

#[test]
fn breaking_takes_the_shorter_of_period_and_rest() {
    let fixed = Lease::held(id('a'), LeaseDuration::Seconds(30), NOW);
    assert_eq!(fixed.break_lease(later(10), None).unwrap().1, 20);
    assert_eq!(fixed.break_lease(later(10), Some(60)).unwrap().1, 20);
    let (breaking, seconds) = fixed.break_lease(later(10), Some(5)).unwrap();
    assert_eq!(seconds, 5);
    assert_eq!(breaking.break_lease(later(11), Some(60)).unwrap().1, 4);
    assert_eq!(breaking.state(later(15)), "broken");
    let infinite = Lease::held(id('a'), LeaseDuration::Infinite, NOW);
    assert_eq!(infinite.break_lease(NOW, None).unwrap().0.state(NOW), "broken");
    assert_eq!(infinite.break_lease(NOW, Some(60)).unwrap().1, 60);
    assert!(infinite.is_infinite(later(1_000_000)));
}

#[test]
fn ids_are_guids_in_any_form() {
    let canonical = "aabbccdd-eeff-0011-2233-445566778899";
    for form in [
        "aabbccddeeff00112233445566778899",
        "AABBCCDD-EEFF-0011-2233-445566778899",
        "{aabbccdd-eeff-0011-2233-445566778899}",
        "(aabbccdd-eeff-0011-2233-445566778899)",
        "{0xaabbccdd,0xeeff,0x0011,{0x22,0x33,0x44,0x55,0x66,0x77,0x88,0x99}}",
        "{0xAABBCCDD,0xEEFF,0x11,{0x22,0x33,0x44,0x55,0x66,0x77,0x88,0x99}}",
    ] {
        assert_eq!(LeaseId::parse("x", form).unwrap().as_str(), canonical, "{form}");
    }
    for bad in [
        "",
        "a",
        "aabbccdd-eeff-0011-2233-44556677889",
        "aabbccddeeff-00112233445566778899",
        "{aabbccdd-eeff-0011-2233-445566778899)",
        "{0xaabbccdd,0xeeff,0x0011,0x22,0x33,0x44,0x55,0x66,0x77,0x88,0x99}",
        "{0xaabbccdd,0xeeff,0x0011,{0x22,0x33,0x44,0x55,0x66,0x77,0x88}}",
        "{0xaabbccdd,0xeeff,0x0011,{0x22,0x33,0x44,0x55,0x66,0x77,0x88,0x99,0x0}}",
        "{0xaabbccdd0,0xeeff,0x0011,{0x22,0x33,0x44,0x55,0x66,0x77,0x88,0x99}}",
        "{0xaabbccdd,0xeeff,{0x0011,0x22,0x33,0x44,0x55,0x66,0x77,0x88,0x99}}",
    ] {
        assert_eq!(LeaseId::parse("x", bad).unwrap_err().code(), ErrorCode::InvalidHeaderValue);
    }
    assert!(LeaseDuration::parse("14").is_err() && LeaseDuration::parse("-1").is_ok());
}
