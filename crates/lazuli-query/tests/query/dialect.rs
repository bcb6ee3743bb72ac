//! The dialect: a table for each operator, function and clause.

use lazuli_model::ErrorCode;

use super::{data, headed, json, refusal, run, text};

/// The value of an expression over the record `5,abc,2.5,,Text`, and the names of its errors.
fn value(expression: &str) -> (String, Vec<String>) {
    let answer = run(&text(&format!("SELECT {expression} FROM BlobStorage")), "5,abc,2.5,,Text\n");
    let names = answer.names().into_iter().map(str::to_owned).collect();
    (answer.data.trim_end_matches('\n').to_owned(), names)
}

fn table(cases: &[(&str, &str)]) {
    for (expression, expected) in cases {
        assert_eq!(value(expression), ((*expected).to_owned(), Vec::new()), "{expression}");
    }
}

fn faults(cases: &[(&str, &str)]) {
    for (expression, name) in cases {
        assert_eq!(value(expression), (String::new(), vec![(*name).to_owned()]), "{expression}");
    }
}

#[test]
fn comparisons_and_logic() {
    table(&[
        ("_1 = 5", "true"),
        ("_1 == '5'", "true"),
        ("_1 <> 5", "false"),
        ("_1 != 6", "true"),
        ("_1 < 10", "true"),
        ("_1 < '10'", "false"),
        ("_3 >= 2.5", "true"),
        ("_3 <= 2", "false"),
        ("_2 > 'abb'", "true"),
        ("_1 = 5 AND _2 = 'abc'", "true"),
        ("_1 = 6 AND _2 > 1", "false"),
        ("_1 = 5 OR _2 > 1", "true"),
        ("NOT _1 = 5", "false"),
        ("NULL = NULL", ""),
        ("NULL AND FALSE", "false"),
        ("NULL OR TRUE", "true"),
        ("NOT NULL", ""),
        ("_1 IN (1, 5)", "true"),
        ("_1 NOT IN ('1', '5')", "false"),
        ("_1 IN (1, NULL)", ""),
        ("_1 BETWEEN 1 AND 5", "true"),
        ("_1 NOT BETWEEN 6 AND 7", "true"),
        ("NULL BETWEEN 1 AND 2", ""),
        ("1 BETWEEN 2 AND NULL", "false"),
        ("_2 LIKE 'a%'", "true"),
        ("_2 NOT LIKE '_b_'", "false"),
        ("'5%' LIKE '5!%' ESCAPE '!'", "true"),
        ("_1 LIKE '5'", "true"),
        ("NULL LIKE '%'", ""),
        ("_4 IS NULL", "false"),
        ("NULL IS NULL", "true"),
        ("_1 IS NOT NULL", "true"),
        ("_1 IS MISSING", "false"),
        ("(1 = 1) IS TRUE", "true"),
        ("NULL IS NOT FALSE", "true"),
    ]);
    faults(&[
        ("_2 > 1", "InvalidTypeConversion"),
        ("_9", "InvalidColumnOrdinal"),
        ("_1 = TRUE", "InvalidTypeConversion"),
        ("NOT _2", "InvalidTypeConversion"),
    ]);
}

#[test]
fn arithmetic() {
    table(&[
        ("_1 + 2", "7"),
        ("_1 - _3", "2.5"),
        ("-_1 * 2", "-10"),
        ("7 / 2", "3"),
        ("7 / 2.0", "3.5"),
        ("7 % 4", "3"),
        ("1 + 2 * 3 - 4 / 2", "5"),
        ("(1 + 2) * 3", "9"),
        ("NULL + 1", ""),
        ("-9223372036854775807 - 1", "-9223372036854775808"),
        ("1e3", "1000"),
        ("+5", "5"),
        ("CAST('2020-02-28' AS TIMESTAMP) + 2", "2020-03-01T00:00:00Z"),
        ("CAST('2020-03-01' AS TIMESTAMP) - 1", "2020-02-29T00:00:00Z"),
    ]);
    faults(&[
        ("1 / 0", "DivideByZero"),
        ("1.5 % 0", "DivideByZero"),
        ("9223372036854775807 + 1", "ArithmeticOverflow"),
        ("1e308 * 10", "ArithmeticOverflow"),
        ("_2 + 1", "InvalidTypeConversion"),
    ]);
}

#[test]
fn text_functions() {
    table(&[
        ("CHAR_LENGTH('äbc')", "3"),
        ("CHARACTER_LENGTH(_4)", "0"),
        ("LOWER('AbCdÉ')", "abcdé"),
        ("UPPER(_2)", "ABC"),
        ("SUBSTRING('123456789', 1, 5)", "23456"),
        ("SUBSTRING('äöü' FROM 1)", "öü"),
        ("SUBSTRING('äöü' FROM 0 FOR 2)", "äö"),
        ("SUBSTRING('abc', -1, 2)", "a"),
        ("SUBSTRING('abc', 7, 2)", ""),
        ("SUBSTRING('abc', 1, -2)", ""),
        ("TRIM('  a b ')", "a b"),
        ("TRIM(BOTH '123' FROM '1112211Microsoft22211122')", "Microsoft"),
        ("TRIM(LEADING 'x' FROM 'xxax')", "ax"),
        ("TRIM(TRAILING FROM 'a  ')", "a"),
        ("TRIM(LEADING FROM '  a')", "a"),
        ("LOWER(NULL)", ""),
    ]);
}

#[test]
fn date_functions() {
    table(&[
        (
            "DATE_ADD('minute', 1, CAST('2017-01-02T03:04:05.006Z' AS TIMESTAMP))",
            "2017-01-02T03:05:05.006Z",
        ),
        ("DATE_ADD(year, -1, '2020-02-29')", "2019-02-28T00:00:00Z"),
        ("DATE_DIFF('hour','2018-11-09T00:00+05:30','2018-11-09T01:00:23-08:00')", "14"),
        ("DATE_DIFF(day, '2020-03-01', '2020-02-28')", "-2"),
        ("EXTRACT(YEAR FROM '2010-01-01T')", "2010"),
        ("EXTRACT(timezone_hour FROM '2010-01-01T00:00-07:30')", "-7"),
        ("EXTRACT(timezone_minute FROM '2010-01-01T00:00+05:30')", "30"),
        ("TO_STRING(CAST('1969-07-20T20:18Z' AS TIMESTAMP), 'MMMM d, y')", "\"July 20, 1969\""),
        ("TO_TIMESTAMP('2007T')", "2007-01-01T00:00:00Z"),
        ("UTCNOW()", "2021-02-03T04:05:06Z"),
        ("TO_TIMESTAMP('2007') < '2008'", "true"),
        ("DATE_ADD('day', NULL, '2020')", ""),
    ]);
    faults(&[
        ("TO_TIMESTAMP(_2)", "InvalidTypeConversion"),
        ("TO_STRING('2020', 'Q')", "InvalidTypeConversion"),
        ("DATE_ADD('year', 9999, '2020')", "ArithmeticOverflow"),
    ]);
}

#[test]
fn conditional_expressions_and_casts() {
    table(&[
        ("CAST(_1 AS INT) + 1", "6"),
        ("CAST(_3 AS FLOAT)", "2.5"),
        ("CAST(2.9 AS INT)", "2"),
        ("CAST(5 AS STRING)", "5"),
        ("CAST('true' AS BOOLEAN)", "true"),
        ("CAST(NULL AS INT)", ""),
        ("COALESCE(NULL, _2, 1)", "abc"),
        ("COALESCE(NULL)", ""),
        ("NULLIF(_1, 5)", ""),
        ("NULLIF(_1, 6)", "5"),
        ("CASE WHEN _1 > 9 THEN 'big' WHEN _1 > 4 THEN 'middle' ELSE 'small' END", "middle"),
        ("CASE _2 WHEN 'x' THEN 1 WHEN 'abc' THEN 2 END", "2"),
        ("CASE _2 WHEN 'x' THEN 1 END", ""),
    ]);
    faults(&[("CAST(_2 AS INT)", "InvalidTypeConversion")]);
}

const PEOPLE: &str = "name,age,City\nann,31,Rome\nbob,4,Oslo\ncid,55,Rome\ndan,,Bonn\n";

#[test]
fn aggregates() {
    for (expression, expected) in [
        ("COUNT(*)", "4"),
        ("COUNT(age)", "4"),
        ("COUNT(NULLIF(age, ''))", "3"),
        ("MIN(age)", "\"\""),
        ("MIN(City)", "Bonn"),
        ("MAX(name)", "dan"),
        ("SUM(NULLIF(age, ''))", "90"),
        ("AVG(CAST(NULLIF(age, '') AS INT))", "30"),
        ("AVERAGE(NULLIF(age, ''))", "30"),
        ("MAX(CAST(NULLIF(age, '') AS INT)), COUNT(*)", "55,4"),
        ("SUM(1.5)", "6"),
        ("SUM(NULL)", ""),
        ("COUNT(NULL)", "0"),
    ] {
        let request = headed(&format!("SELECT {expression} FROM BlobStorage"));
        let expected = expected.replace("\"\"", "");
        assert_eq!(data(&request, PEOPLE), format!("{expected}\n"), "{expression}");
    }
    let request = headed("SELECT SUM(age) FROM BlobStorage WHERE City = 'Rome'");
    assert_eq!(data(&request, PEOPLE), "86\n");
    let request = headed("SELECT SUM(age) FROM BlobStorage");
    let answer = run(&request, PEOPLE);
    assert_eq!((answer.data.as_str(), answer.names()), ("90\n", vec!["InvalidTypeConversion"]));
}

#[test]
fn names_aliases_and_limits() {
    for (expression, expected) in [
        ("SELECT * FROM BlobStorage LIMIT 1", "ann,31,Rome\n"),
        ("SELECT * FROM BlobStorage LIMIT 0", ""),
        ("SELECT * FROM BlobStorage WHERE AGE = '4'", "bob,4,Oslo\n"),
        ("select Name, _2 from blobstorage where \"City\" like 'R%';", "ann,31\ncid,55\n"),
        ("SELECT s.city FROM BlobStorage s WHERE s.name = 'dan'", "Bonn\n"),
        ("SELECT BlobStorage.city FROM BlobStorage AS s LIMIT 1", "Rome\n"),
        ("SELECT _3 AS x, name y FROM BlobStorage LIMIT 1", "Rome,ann\n"),
    ] {
        assert_eq!(data(&headed(expression), PEOPLE), expected, "{expression}");
    }
    let input = "{\"a b\":1,\"from\":{\"X\":[{\"y\":2}]},\"b\":null}\n";
    for (expression, expected) in [
        ("SELECT \"a b\" FROM BlobStorage", "{\"a b\":1}\n"),
        ("SELECT \"from\".x[0].y AS z, b FROM BlobStorage[*]", "{\"z\":2,\"b\":null}\n"),
        ("SELECT b IS MISSING, c IS MISSING, c FROM BlobStorage", "{\"_1\":false,\"_2\":true}\n"),
        (
            "SELECT \"B\" IS NULL, \"B\" IS NOT MISSING FROM BlobStorage",
            "{\"_1\":true,\"_2\":false}\n",
        ),
        ("SELECT y FROM BlobStorage[*].\"from\".X[*]", "{\"y\":2}\n"),
        ("SELECT * FROM BlobStorage[*].\"from\"", "{\"X\":[{\"y\":2}]}\n"),
        ("SELECT COUNT(*) AS n FROM BlobStorage[*].nowhere", "{\"n\":0}\n"),
    ] {
        assert_eq!(data(&json(expression), input), expected, "{expression}");
    }
}

#[test]
fn what_is_not_of_the_dialect_is_refused() {
    let columns = |count: usize| {
        let list: Vec<String> = (1..=count).map(|number| format!("_{number}")).collect();
        format!("SELECT {} FROM BlobStorage", list.join(","))
    };
    assert_eq!(run(&text(&columns(49)), "").errors, []);
    let wrapped = |condition: &str| format!("SELECT * FROM BlobStorage WHERE {condition}");
    for expression in [
        String::new(),
        "SELECT".into(),
        "SELECT *".into(),
        "DELETE FROM BlobStorage".into(),
        "SELECT * FROM Other".into(),
        "SELECT * FROM BlobStorage, BlobStorage".into(),
        "SELECT * FROM BlobStorage JOIN BlobStorage".into(),
        "SELECT * FROM BlobStorage GROUP BY _1".into(),
        "SELECT * FROM BlobStorage ORDER BY _1".into(),
        "SELECT * FROM BlobStorage[*].x".into(),
        "SELECT *, _1 FROM BlobStorage".into(),
        "SELECT _1, FROM BlobStorage".into(),
        "SELECT COUNT(*), _1 FROM BlobStorage".into(),
        "SELECT COUNT(*) + 1 FROM BlobStorage".into(),
        "SELECT SUM(*) FROM BlobStorage".into(),
        "SELECT COUNT(DISTINCT _1) FROM BlobStorage".into(),
        "SELECT FOO(_1) FROM BlobStorage".into(),
        "SELECT LOWER(_1, _2) FROM BlobStorage".into(),
        "SELECT _0 FROM BlobStorage".into(),
        "SELECT name FROM BlobStorage".into(),
        "SELECT _1.x FROM BlobStorage".into(),
        "SELECT 'open FROM BlobStorage".into(),
        "SELECT * FROM BlobStorage LIMIT x".into(),
        "SELECT * FROM BlobStorage LIMIT -1".into(),
        "SELECT * FROM BlobStorage; SELECT 1".into(),
        "SELECT sys.split(1000) FROM BlobStorage".into(),
        "SELECT sys.split(10485760) FROM BlobStorage WHERE _1 = 1".into(),
        columns(50),
        wrapped(""),
        wrapped("_1 ="),
        wrapped("_1 IS UNKNOWN"),
        wrapped("_1 IN (SELECT 1)"),
        wrapped("EXISTS (SELECT 1)"),
        wrapped("_1 LIKE _2"),
        wrapped("CAST(_1 AS ARRAY<INT>) = 1"),
        wrapped("CAST(_1 AS DECIMAL) = 1"),
        wrapped("EXTRACT(WEEK FROM _1) = 1"),
        wrapped("DATE_ADD('timezone_hour', 1, _1) = 1"),
        wrapped("_1 ~ 'x'"),
        wrapped("1e999 = 1"),
    ] {
        let code = refusal(&text(&expression), "1,2\n").code();
        assert_eq!(code, ErrorCode::ErrorProcessingQueryExpression, "{expression}");
    }
    let split = refusal(&json("SELECT sys.split(10485760) FROM BlobStorage"), "");
    assert_eq!(split.code(), ErrorCode::ErrorProcessingQueryExpression);
    let unknown = refusal(&headed("SELECT x FROM BlobStorage"), "a,b\n1,2\n");
    assert_eq!(unknown.message(), "A column is not in the header row.");
}
