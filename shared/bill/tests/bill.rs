//! Bills, and what the formula of our cost model says of the same use.

use porpoise_bill::{Bill, HOURS_OF_A_MONTH, Processor, price};
use porpoise_ports::usage::{Line, Usage};

fn usage(lines: &[(Line, u64)]) -> Usage {
    let mut usage = Usage::default();
    for (line, pieces) in lines {
        usage.add(*line, *pieces);
    }
    usage
}

fn dollars(lines: &[(Line, u64)]) -> f64 {
    Bill::of(&usage(lines), Processor::Arm64).dollars()
}

fn same(one: f64, two: f64) -> bool {
    (one - two).abs() < 1e-9
}

const M: u64 = 1_000_000;

/// Each price as the page that it is from says it.
#[test]
fn a_unit_of_each_line_costs_its_list_price() {
    let gb_month = 1000 * M * HOURS_OF_A_MONTH;
    for (line, pieces, wanted) in [
        (Line::TableWrites, M, 0.625),
        (Line::TableHalfReads, 2 * M, 0.125),
        (Line::TableByteHours, gb_month, 0.25),
        (Line::BackupByteHours, gb_month, 0.20),
        (Line::FifoRequests, M, 0.50),
        (Line::QueueRequests, M, 0.40),
        (Line::Events, M, 1.00),
        (Line::ScheduleInvocations, M, 1.00),
        (Line::BlobPuts, M, 5.00),
        (Line::BlobGets, M, 0.40),
        (Line::BlobByteHours, gb_month, 0.023),
        (Line::SecretReads, M, 5.00),
        (Line::SecretHours, HOURS_OF_A_MONTH, 0.40),
        (Line::FunctionRequests, M, 0.20),
        // a GB for a thousand seconds
        (Line::FunctionMegabyteMilliseconds, 1024 * M, 0.013_333_4),
        (Line::Transitions, M, 25.00),
        (Line::LogBytes, 1000 * M, 0.50),
        (Line::ApiRequests, M, 1.00),
        (Line::Notices, M, 0.50),
        (Line::AlarmHours, HOURS_OF_A_MONTH, 0.10),
        (Line::MetricHours, HOURS_OF_A_MONTH, 0.30),
    ] {
        let found = dollars(&[(line, pieces)]);
        assert!(same(found, wanted), "{line:?}: ${found}, not ${wanted}");
    }
}

#[test]
fn every_line_has_a_price_and_says_where_it_is_from() {
    for line in Line::ALL {
        let price = price(line, Processor::Arm64);
        assert!(price.dollars > 0.0 && price.pieces > 0.0, "{line:?}");
        assert!(
            !price.source.is_empty() && !price.unit.is_empty(),
            "{line:?}"
        );
    }
}

/// A million tasks in DAGs of 300, as the lean column of the cost model counts them.
fn lean() -> Usage {
    usage(&[
        (Line::TableWrites, 3_300_000),
        (Line::TableHalfReads, 2 * M),
        (Line::TableByteHours, 1_500 * M * HOURS_OF_A_MONTH),
        (Line::FifoRequests, 1_500_000),
        (Line::BlobPuts, 3_333),
        (Line::FunctionRequests, 350_000),
        (Line::FunctionMegabyteMilliseconds, 60 * 256 * M),
        (Line::LogBytes, 900 * M),
    ])
}

#[test]
fn a_bill_prints_line_by_line() {
    let bill = Bill::of(&lean(), Processor::Arm64);
    insta::assert_snapshot!(bill, @"
    DynamoDB writes                     3.300000 million units                 $0.625       2.0625
    DynamoDB reads                      1.000000 million units                 $0.125       0.1250
    DynamoDB storage                    1.500000 GB-month                       $0.25       0.3750
    SQS FIFO requests                   1.500000 million requests                $0.5       0.7500
    S3 puts                             0.003333 million requests                  $5       0.0167
    Lambda requests                     0.350000 million requests                $0.2       0.0700
    Lambda time                     15000.000000 GB-second              $0.0000133334       0.2000
    CloudWatch Logs                     0.900000 GB taken in                     $0.5       0.4500
    sum                                                                                     4.0492
    ");
}

#[test]
fn a_bill_is_json_for_programs() {
    let two = usage(&[(Line::Events, 500_000), (Line::TableHalfReads, 3 * M)]);
    let bill = Bill::of(&two, Processor::Arm64).json();
    insta::assert_snapshot!(serde_json::to_string_pretty(&bill).expect("JSON"), @r#"
    {
      "lines": [
        {
          "line": "DynamoDB reads",
          "units": 1.5,
          "unit": "million units",
          "price": 0.125,
          "dollars": 0.1875,
          "source": "Infracost dynamodb_table_test, 2026-08-21"
        },
        {
          "line": "EventBridge events",
          "units": 0.5,
          "unit": "million chunks",
          "price": 1.0,
          "dollars": 0.5,
          "source": "Infracost cloudwatch_event_bus_test"
        }
      ],
      "dollars": 0.6875
    }
    "#);
}

/// The formula of the cost model, section 3, term by term.
#[test]
fn the_formula_of_the_cost_model_gives_the_same() {
    let formula = 0.625 * 3.3 + 0.125 * 1.0 + 0.20 * 0.35 + 13.3334 * 0.060 * 0.25 + 0.50 * 1.5;
    let lines = [
        (Line::TableWrites, 3_300_000),
        (Line::TableHalfReads, 2 * M),
        (Line::FunctionRequests, 350_000),
        (Line::FunctionMegabyteMilliseconds, 60 * 256 * M),
        (Line::FifoRequests, 1_500_000),
    ];
    let found = dollars(&lines);
    assert!(same(found, formula), "${found}, not ${formula}");
}

#[test]
fn x86_is_dearer() {
    let time = usage(&[(Line::FunctionMegabyteMilliseconds, 1024 * M)]);
    let found = Bill::of(&time, Processor::X86).dollars();
    assert!(same(found, 0.016_666_7), "${found}");
}

#[test]
fn nothing_costs_nothing() {
    let bill = Bill::of(&Usage::default(), Processor::Arm64);
    assert!(bill.rows.is_empty() && same(bill.dollars(), 0.0));
}
